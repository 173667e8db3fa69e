"""Deployed models watched: drift of what they see against what they were trained on, and the freshness of the data."""

from pipelines.monitoring.look import Monitored, monitor_models
from pipelines.monitoring.policy import MonitoringPolicyInvalid
from pipelines.monitoring.registry import Discrepancy, RegistryUnreachable, reconcile

__all__ = [
    "Discrepancy",
    "Monitored",
    "MonitoringPolicyInvalid",
    "RegistryUnreachable",
    "monitor_models",
    "reconcile",
]
