"""Publishing: what approved models do without a live service, decided by the code of the live jobs and on record."""

from pipelines.publishing.forecasts import NothingToPublish, Published, last_published, publish_forecast

__all__ = ["NothingToPublish", "Published", "last_published", "publish_forecast"]
