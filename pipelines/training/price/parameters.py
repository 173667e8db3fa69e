"""The price family's parameters, checked."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.training.errors import TrainingRefused


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitShares(_Section):
    """How the sessions are split, in their order; what is left is the test.

    Attributes:
        train: Share of the sessions to fit on.
        validation: Share of the sessions after them, on which the number of trees is chosen.
    """

    train: float = Field(gt=0, lt=1)
    validation: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _leaves_a_test(self) -> "SplitShares":
        if self.train + self.validation >= 1:
            raise ValueError("train and validation leave no sessions to test on")
        return self


class TreeParameters(_Section):
    """Gradient-boosted trees, as LightGBM names them in the comments.

    Attributes:
        most_trees: ``num_iterations``, of which early stopping takes what validation asks for.
        fewest_trees: What is fitted even where validation asks for less: a model of no trees says nothing.
        early_stopping: Rounds without a better log-loss on validation.
        learning_rate: ``learning_rate``.
        leaves: ``num_leaves``.
        rows_a_leaf: ``min_data_in_leaf``.
        row_share: ``bagging_fraction``, drawn anew for every tree.
        feature_share: ``feature_fraction``.
        l2: ``lambda_l2``.
    """

    most_trees: int = Field(gt=0, le=10_000)
    fewest_trees: int = Field(gt=0, le=1_000)
    early_stopping: int = Field(gt=0)
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(gt=1, le=1_024)
    rows_a_leaf: int = Field(gt=0)
    row_share: float = Field(gt=0, le=1)
    feature_share: float = Field(gt=0, le=1)
    l2: float = Field(ge=0)


class LinearParameters(_Section):
    """The linear baseline: logistic regression on standardised features.

    Attributes:
        inverse_regularisation: scikit-learn's ``C``.
    """

    inverse_regularisation: float = Field(gt=0)


class BootstrapParameters(_Section):
    """The block bootstrap over days.

    Attributes:
        replicates: How many resamples.
        block_days: Days that stay together: neighbouring days are not independent.
        seed: Of the generator.
    """

    replicates: int = Field(ge=50)
    block_days: int = Field(gt=0)
    seed: int = Field(ge=0)


class PriceParameters(_Section):
    """Everything that ``params.yaml`` says under ``price``.

    Attributes:
        feature_view: The view whose features are used.
        splits: Training, validation and test sessions.
        model: The model that is deployed.
        seeds: Of the fits; the figures are over all of them, and the first is the deployed model's.
        linear: The linear baseline beside it.
        cost_bp: Cost of trading a side, in basis points of what is traded.
        bootstrap: The intervals of returns.
    """

    feature_view: str
    splits: SplitShares
    model: TreeParameters
    seeds: tuple[int, ...] = Field(min_length=2)
    linear: LinearParameters
    cost_bp: float = Field(ge=0)
    bootstrap: BootstrapParameters

    @classmethod
    def checked(cls, raw: dict[str, Any]) -> "PriceParameters":
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
            raise TrainingRefused(f"params.yaml, key price: {problems}") from invalid
