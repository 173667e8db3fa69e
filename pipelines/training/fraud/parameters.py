"""The fraud family's parameters, checked."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.training.errors import TrainingRefused
from pipelines.training.splits import SplitPlan


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TreeParameters(_Section):
    """Gradient-boosted trees, as XGBoost names them in the comments.

    Attributes:
        trees: Boosting rounds.
        learning_rate: ``eta``.
        max_depth: Depth of a tree.
        tree_method: Only ``exact`` reproduces the published figures.
        base_score: Initial probability.
    """

    trees: int = Field(gt=0, le=10_000)
    learning_rate: float = Field(gt=0, le=1)
    max_depth: int = Field(gt=0, le=16)
    tree_method: Literal["exact", "hist", "approx"]
    base_score: float = Field(gt=0, lt=1)


class LinearParameters(_Section):
    """The linear baseline: logistic regression on standardised features.

    Attributes:
        inverse_regularisation: scikit-learn's ``C``.
    """

    inverse_regularisation: float = Field(gt=0)


class AlertBudget(_Section):
    """How many cards may be alerted on.

    Attributes:
        cards_per_day: What the analysts can look at.
        largest_share_of_cards: Of the cards active on a day; the smaller of the two limits holds.
    """

    cards_per_day: int = Field(gt=0)
    largest_share_of_cards: float = Field(gt=0, le=1)


class BootstrapParameters(_Section):
    """The bootstrap by card.

    Attributes:
        replicates: How many resamples.
        seed: Of the generator.
    """

    replicates: int = Field(ge=50)
    seed: int = Field(ge=0)


class FraudParameters(_Section):
    """Everything that ``params.yaml`` says under ``fraud``.

    Attributes:
        feature_view: The view whose features are used.
        splits: Training, validation and test weeks.
        model: The model that is deployed.
        linear: The linear baseline beside it.
        alert_budget: What the threshold is chosen from.
        card_precision_top: The k of card precision at k.
        bootstrap: The confidence interval of the last fold.
    """

    feature_view: str
    splits: SplitPlan
    model: TreeParameters
    linear: LinearParameters
    alert_budget: AlertBudget
    card_precision_top: int = Field(gt=0)
    bootstrap: BootstrapParameters

    @classmethod
    def checked(cls, raw: dict[str, Any]) -> "FraudParameters":
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
            raise TrainingRefused(f"params.yaml, key fraud: {problems}") from invalid
