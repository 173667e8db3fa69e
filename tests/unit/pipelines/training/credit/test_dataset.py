from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from pipelines.training.credit.dataset import feature_names, join_outcomes, protected_names
from pipelines.training.errors import TrainingRefused

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = pl.Datetime("us", "UTC")


def features(*names: str, portfolio: str = "loans", known: datetime = AS_OF - 400 * DAY) -> pl.DataFrame:
    rows = [
        {"application_id": name, "portfolio": portfolio, "event_time": known, "available_at": known, "income": 1.0}
        for name in names
    ]
    return pl.DataFrame(rows, schema_overrides={"event_time": MOMENT, "available_at": MOMENT}).with_columns(
        elsewhere=pl.lit(None, pl.Float64)
    )


def application(name: str, defaulted: bool | None, outcome_at: datetime | None, **changes: Any) -> dict[str, Any]:
    row = {"application_id": name, "defaulted": defaulted, "outcome_at": outcome_at, "dated": True}
    return row | {"available_at": AS_OF - 400 * DAY, "GROUP": "A"} | changes


def joined(rows: list[dict[str, Any]], of: pl.DataFrame | None = None) -> pl.DataFrame:
    applications = pl.DataFrame(
        rows, schema_overrides={"defaulted": pl.Boolean, "outcome_at": MOMENT, "available_at": MOMENT}
    )
    return join_outcomes(
        features("a") if of is None else of,
        applications,
        portfolio="loans",
        as_of=AS_OF,
        names=["income", "elsewhere"],
        protected=["GROUP"],
    )


@pytest.mark.parametrize(
    ("outcome_at", "restated", "label"),
    [
        (AS_OF, AS_OF - 400 * DAY, True),
        (AS_OF + timedelta(microseconds=1), AS_OF - 400 * DAY, None),
        (AS_OF - DAY, AS_OF + DAY, None),  # it happened before, and was told after
        (None, AS_OF - 400 * DAY, None),
    ],
)
def test_only_an_outcome_that_was_known_is_a_label(
    outcome_at: datetime | None, restated: datetime, label: bool | None
) -> None:
    assert joined([application("a", True, outcome_at, available_at=restated)])["defaulted"].to_list() == [label]


def test_a_restated_outcome_counts_and_protected_attributes_stay_as_first_said() -> None:
    frame = joined(
        [
            application("a", True, AS_OF - 20 * DAY),
            application("a", False, AS_OF - 20 * DAY, available_at=AS_OF - 10 * DAY, GROUP="B"),
        ]
    )
    assert frame["defaulted"].to_list() == [False]
    assert frame["label_available_at"].to_list() == [AS_OF - 10 * DAY]
    assert frame["protected.GROUP"].to_list() == ["A"]


def test_features_are_the_portfolios_own_and_protected_attributes_are_none_of_them() -> None:
    frame = joined([application("a", None, None)])
    assert feature_names(frame) == ["income"]
    assert protected_names(frame) == ["protected.GROUP"]


def test_other_portfolios_and_later_applications_are_left_out() -> None:
    all_of_them = pl.concat([features("a"), features("other", portfolio="cards"), features("later", known=AS_OF + DAY)])
    assert joined([application("a", None, None)], all_of_them)["application_id"].to_list() == ["a"]


def test_a_portfolio_without_applications_and_an_application_twice_are_refused() -> None:
    with pytest.raises(TrainingRefused, match="no application of portfolio 'loans'"):
        joined([application("a", None, None)], features("a", portfolio="cards"))
    with pytest.raises(TrainingRefused, match="two feature rows"):
        joined([application("a", None, None)], features("a", "a"))
