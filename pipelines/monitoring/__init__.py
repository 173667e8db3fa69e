"""Deployed models watched: drift of what they see, the freshness of the data, and what came of live decisions."""

from pipelines.monitoring.look import Monitored, monitor_models
from pipelines.monitoring.outcomes import record_label_outcomes
from pipelines.monitoring.policy import MonitoringPolicyInvalid

__all__ = ["Monitored", "MonitoringPolicyInvalid", "monitor_models", "record_label_outcomes"]
