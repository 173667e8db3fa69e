"""Deployed models watched: drift of what they see against what they were trained on, and the freshness of the data."""

from pipelines.monitoring.look import Monitored, monitor_models
from pipelines.monitoring.policy import MonitoringPolicyInvalid

__all__ = ["Monitored", "MonitoringPolicyInvalid", "monitor_models"]
