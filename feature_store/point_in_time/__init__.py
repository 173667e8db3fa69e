"""The point-in-time join: labels or decisions beside each view's features, as they were known at the decision."""

from feature_store.point_in_time.join import MEMORY_LIMIT, point_in_time_join
from feature_store.point_in_time.source import FeatureSource

__all__ = ["MEMORY_LIMIT", "FeatureSource", "point_in_time_join"]
