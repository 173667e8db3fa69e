"""The forecast family's parameters, checked."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipelines.training.errors import TrainingRefused


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TreeParameters(_Section):
    """The global LightGBM, as the library names them in the comments.

    Attributes:
        trees: Boosting rounds.
        learning_rate: ``learning_rate``.
        leaves: ``num_leaves``.
        least_rows_in_leaf: ``min_data_in_leaf``.
        feature_share: ``feature_fraction``.
        row_share: ``bagging_fraction``.
        origins: How many past months of each series are learnt from.
        seeds: With which it is fit when it is measured; the first is deployed.
    """

    trees: int = Field(gt=0, le=10_000)
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(gt=1, le=1024)
    least_rows_in_leaf: int = Field(gt=0)
    feature_share: float = Field(gt=0, le=1)
    row_share: float = Field(gt=0, le=1)
    origins: int = Field(gt=0)
    seeds: tuple[int, ...] = Field(min_length=1)


class ForecastParameters(_Section):
    """Everything that ``params.yaml`` says under ``forecast``.

    Attributes:
        feature_view: The view whose rows hold the series.
        horizon: Months ahead, at most: shorter where half of the series are too short for it. As many are held out for
            the test, and as many before them for choosing the method.
        groups: Into how many groups the series are dealt for paired comparisons.
        levels: Coverages of the intervals that are published, rising.
        model: The global trees.
    """

    feature_view: str
    horizon: int = Field(gt=0, le=36)
    groups: int = Field(ge=4, le=50)
    levels: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(min_length=1)
    model: TreeParameters

    @field_validator("levels")
    @classmethod
    def _rise(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if list(levels) != sorted(set(levels)):
            raise ValueError("levels of coverage must rise")
        return levels

    @classmethod
    def checked(cls, raw: dict[str, Any]) -> "ForecastParameters":
        """Check what was read from ``params.yaml``.

        Raises:
            TrainingRefused: Naming every field that is wrong.
        """
        try:
            return cls.model_validate(raw)
        except ValidationError as invalid:
            problems = "; ".join(
                f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in invalid.errors(include_url=False)
            )
            raise TrainingRefused(f"params.yaml, key forecast: {problems}") from invalid
