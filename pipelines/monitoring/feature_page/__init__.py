"""One page about a feature version: what it is, how its values lie, how far they have drifted, and who uses it."""

from pipelines.monitoring.feature_page.describe import ViewDescription, describe
from pipelines.monitoring.feature_page.page import render

__all__ = ["ViewDescription", "describe", "render"]
