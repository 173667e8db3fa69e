"""From a feature version to a registered model bundle."""

from pipelines.training.errors import TrainingRefused
from pipelines.training.run import TrainingResult, find_run, train

__all__ = ["TrainingRefused", "TrainingResult", "find_run", "train"]
