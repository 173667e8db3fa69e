"""Deployed models watched: drift of what they see, the freshness of the data, and what came of live decisions."""

from pipelines.monitoring.look import Monitored, monitor_models
from pipelines.monitoring.outcomes import record_label_outcomes
from pipelines.monitoring.policy import MonitoringPolicyInvalid
from pipelines.monitoring.registry import Discrepancy, RegistryUnreachable, reconcile

__all__ = [
    "Discrepancy",
    "Monitored",
    "MonitoringPolicyInvalid",
    "RegistryUnreachable",
    "monitor_models",
    "reconcile",
    "record_label_outcomes",
]
