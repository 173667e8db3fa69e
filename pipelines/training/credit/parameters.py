"""The credit family's parameters, checked."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledgerline.decisions.credit import Scorecard
from pipelines.training.errors import TrainingRefused


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitParameters(_Section):
    """How applications are split into folds.

    Attributes:
        test_months: Applications with dates: this many calendar months are tested, the newest whose outcomes are known.
        known_share: Of a month's applications, whose outcome must be known before any of them is used: defaults become
            known before the others' twelve months are over.
        folds: Applications without dates: into so many parts by a hash of their ids, each tested once.
        validation_share: Of what may be learnt from, kept back to stop at and to calibrate on: the newest, or by hash.
        seed: Of the hash.
    """

    test_months: int = Field(ge=2, le=60)
    known_share: float = Field(gt=0, le=1)
    folds: int = Field(ge=2, le=50)
    validation_share: float = Field(gt=0, lt=0.9)
    seed: int = Field(ge=0)


class EncodingParameters(_Section):
    """How categories become columns.

    Attributes:
        most_categories: Of one attribute, the most frequent; others are decided on as missing.
    """

    most_categories: int = Field(ge=1, le=500)


class TreeParameters(_Section):
    """Gradient-boosted trees, as XGBoost names them in the comments.

    Attributes:
        most_trees: Boosting rounds, of which early stopping takes what validation asks for.
        early_stopping: Rounds without a better log-loss on validation.
        learning_rate: ``eta``.
        max_depth: Depth of a tree.
        row_share: ``subsample``.
        column_share: ``colsample_bytree``.
        l1: ``alpha``.
        l2: ``lambda``.
    """

    most_trees: int = Field(gt=0, le=10_000)
    early_stopping: int = Field(gt=0)
    learning_rate: float = Field(gt=0, le=1)
    max_depth: int = Field(gt=0, le=16)
    row_share: float = Field(gt=0, le=1)
    column_share: float = Field(gt=0, le=1)
    l1: float = Field(ge=0)
    l2: float = Field(ge=0)


class LinearParameters(_Section):
    """The linear baseline: logistic regression on standardised columns.

    Attributes:
        inverse_regularisation: scikit-learn's ``C``.
    """

    inverse_regularisation: float = Field(gt=0)


class ScorecardParameters(_Section):
    """The scale of scores; see :class:`ledgerline.decisions.credit.Scorecard`."""

    base_score: float
    base_odds: float = Field(gt=0)
    points_to_double_odds: float = Field(gt=0)
    lowest: int
    highest: int

    @property
    def scale(self) -> Scorecard:
        """The scale as decisions use it."""
        return Scorecard.of(self.model_dump())


class FairnessParameters(_Section):
    """How protected groups are compared.

    Attributes:
        age_bands: Where a protected attribute of many numbers is cut into groups; 62 is Regulation B's "elderly".
        least_group: Smaller groups are not compared: their ratios are noise.
    """

    age_bands: tuple[int, ...] = Field(min_length=1)
    least_group: int = Field(ge=1)


class BootstrapParameters(_Section):
    """The bootstrap over applications.

    Attributes:
        replicates: How many resamples.
        seed: Of the generator.
    """

    replicates: int = Field(ge=50)
    seed: int = Field(ge=0)


class CreditParameters(_Section):
    """Everything that ``params.yaml`` says under ``credit``.

    Attributes:
        feature_view: The view whose features are used.
        portfolio: Whose applications; None for those of the feed that the mapping names first.
        splits: Folds.
        encoding: Columns of categories.
        model: The model that is deployed.
        seeds: Of the fits: the first is the deployed model's, the others say how much chance there is in it.
        linear: The linear baseline beside it.
        scorecard: The scale of scores.
        calibration_bins: Of equal size, for the calibration error.
        fairness: Protected groups.
        bootstrap: The confidence interval of the newest fold.
    """

    feature_view: str
    portfolio: str | None
    splits: SplitParameters
    encoding: EncodingParameters
    model: TreeParameters
    seeds: tuple[int, ...] = Field(min_length=2)
    linear: LinearParameters
    scorecard: ScorecardParameters
    calibration_bins: int = Field(ge=2, le=100)
    fairness: FairnessParameters
    bootstrap: BootstrapParameters

    @classmethod
    def checked(cls, raw: dict[str, Any]) -> "CreditParameters":
        """Check what was read from ``params.yaml``.

        Raises:
            TrainingRefused: Naming every field that is wrong.
        """
        try:
            parameters = cls.model_validate(raw)
            parameters.scorecard.scale.score(0.5)
        except ValidationError as invalid:
            problems = "; ".join(
                f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in invalid.errors(include_url=False)
            )
            raise TrainingRefused(f"params.yaml, key credit: {problems}") from invalid
        except ValueError as invalid:
            raise TrainingRefused(f"params.yaml, key credit: scorecard: {invalid}") from invalid
        return parameters
