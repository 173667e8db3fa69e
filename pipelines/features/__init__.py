"""Features: accepted rows become feature versions, sealed by DVC and git and recorded as evidence."""

from feature_store.versions.restore import restore_from_clone
from pipelines.features.build import build, due_views
from pipelines.features.garbage import Garbage, collect_garbage
from pipelines.features.leak_check import FeatureCheck, check
from pipelines.features.restore import read_features, restore
from pipelines.features.verify import Verified, verify_versions
from pipelines.features.versions import FeatureVersion, versions

__all__ = [
    "FeatureCheck",
    "FeatureVersion",
    "Garbage",
    "Verified",
    "build",
    "check",
    "collect_garbage",
    "due_views",
    "read_features",
    "restore",
    "restore_from_clone",
    "verify_versions",
    "versions",
]
