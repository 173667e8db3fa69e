"""Features: accepted rows become feature versions, sealed by DVC and git and recorded as evidence."""

from feature_store.versions.restore import restore_from_clone
from pipelines.features.build import build, due_views
from pipelines.features.leak_check import FeatureCheck, check
from pipelines.features.restore import read_features, restore
from pipelines.features.versions import FeatureVersion, versions

__all__ = [
    "FeatureCheck",
    "FeatureVersion",
    "build",
    "check",
    "due_views",
    "read_features",
    "restore",
    "restore_from_clone",
    "versions",
]
