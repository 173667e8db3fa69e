"""Lags, means and growth of monthly figures, as they were known."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_store.lookahead import leaks
from feature_store.sources import empty_rows
from feature_store.views.ledger_monthly import LEDGER_MONTHLY
from ledgerline.core.contracts import LEDGER
from ledgerline.core.identity import sha256_bytes

FINGERPRINT = "f3634112914920b8032ce41b44b15f937d7e8b011ccd10f2b3b52113fb45de7c"
PINNED_VALUES = "f8a3268deaf5747908e834b70050ac8b22a0f19b4e7d166f80c8034394781655"


def month_end(number: int) -> datetime:
    """Return the end of the n-th month since January 2020: the first instant of the next."""
    return datetime(2020 + (number + 1) // 12, (number + 1) % 12 + 1, 1, tzinfo=UTC)


def figure(month: int, amount: float, *, known: float = 5, entity: str = "north", account: str = "revenue") -> dict:
    """Write one month's figure, known some days after the month's end."""
    return {
        "entity_id": entity,
        "account": account,
        "amount": amount,
        "category": None,
        "event_time": month_end(month),
        "available_at": month_end(month) + timedelta(days=known),
    }


@pytest.fixture(scope="module")
def ledger() -> Callable[[list[dict[str, Any]]], dict[str, pl.DataFrame]]:
    def ledger_(rows: list[dict[str, Any]]) -> dict[str, pl.DataFrame]:
        return {"ledger": pl.DataFrame(rows, schema=empty_rows(LEDGER).schema)}

    return ledger_


@pytest.fixture(scope="module")
def dirty(ledger):
    """Forty months of six accounts, some figures missing, late or restated."""
    random = np.random.default_rng(5)
    rows = []
    for entity in ("north", "south"):
        for account in ("revenue", "cost", "profit"):
            for month in range(40):
                kind = random.random()
                if kind < 0.05:
                    continue
                known = float(random.integers(30, 90)) if kind < 0.12 else 5.0
                amount = float(random.normal(100, 30))
                rows.append(figure(month, amount, known=known, entity=entity, account=account))
                if kind > 0.9:
                    later = known + float(random.integers(1, 200))
                    rows.append(figure(month, amount * 1.1, known=later, entity=entity, account=account))
    return ledger([rows[place] for place in random.permutation(len(rows))])


def rows_of(sources: dict[str, pl.DataFrame]) -> dict[datetime, dict[str, Any]]:
    return {row["event_time"]: row for row in LEDGER_MONTHLY.compute(sources).to_dicts()}


def twin(rows: list[dict[str, Any]], decided: dict[str, Any]) -> dict[str, float | None]:
    """Compute one row's features from every row of the ledger, looking each month up."""
    month = (decided["event_time"] - timedelta(microseconds=1)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )

    def at(back: int) -> float | None:
        year, number = divmod(month.year * 12 + month.month - 1 - back, 12)
        known = [
            (row["available_at"], row["amount"])
            for row in rows
            if (row["entity_id"], row["account"]) == (decided["entity_id"], decided["account"])
            and row["available_at"] <= decided["available_at"]
            and (row["event_time"] - timedelta(microseconds=1)).timetuple()[:2] == (year, number + 1)
        ]
        return max(known)[1] if known else None

    def growth(back: int) -> float | None:
        return None if at(back) is None else (at(0) - at(back)) / abs(at(back))

    def mean(months: int) -> float | None:
        values = [at(back) for back in range(months)]
        return None if None in values else sum(values) / months

    return {
        "amount": at(0),
        "month": month.month,
        "quarter": (month.month + 2) // 3,
        "year": month.year,
        **{f"lag_{back}": at(back) for back in (1, 2, 3, 12)},
        **{f"growth_{back}": growth(back) for back in (1, 12)},
        **{f"mean_{months}": mean(months) for months in (3, 6, 12)},
    }


def test_features_equal_those_of_a_twin_that_looks_every_month_up(dirty):
    rows = dirty["ledger"].to_dicts()

    computed = LEDGER_MONTHLY.compute(dirty).to_dicts()

    for row in computed:
        assert {name: row[name] for name in LEDGER_MONTHLY.feature_names} == pytest.approx(
            twin(rows, row), nan_ok=False
        )
    assert len(computed) == dirty["ledger"].select("entity_id", "account", "event_time").n_unique()


def test_restated_month_is_invisible_before_it_was_restated(ledger):
    rows = [figure(month, 100.0 + month) for month in range(6)]
    restated = figure(2, 500.0, known=31 + 30 + 5)  # known with the figure of month 4

    before, after = rows_of(ledger(rows)), rows_of(ledger([*rows, restated]))

    assert after[month_end(3)] == before[month_end(3)]
    assert after[month_end(2)]["amount"] == 102.0
    assert (before[month_end(5)]["lag_3"], after[month_end(5)]["lag_3"]) == (102.0, 500.0)


def test_missing_month_leaves_what_needs_it_unknown_and_shifts_nothing(ledger):
    rows = rows_of(ledger([figure(month, 100.0 + month) for month in (0, 1, 2, 4, 5, 6)]))

    assert rows[month_end(4)]["lag_1"] is None
    assert rows[month_end(4)]["lag_2"] == 102.0
    assert rows[month_end(5)]["mean_3"] is None
    assert rows[month_end(6)]["mean_3"] == pytest.approx(105.0)


def test_loss_that_shrinks_is_growth(ledger):
    rows = rows_of(ledger([figure(0, -100.0), figure(1, -50.0), figure(2, 0.0), figure(3, 10.0)]))

    assert [rows[month_end(month)]["growth_1"] for month in range(4)] == [None, 0.5, 1.0, None]


def test_view_does_not_look_ahead(dirty):
    cuts = [month_end(month) + timedelta(days=5) for month in (3, 14, 15, 16, 30)]

    assert leaks(LEDGER_MONTHLY, LEDGER_MONTHLY.compute, dirty, cuts=cuts) == []


def test_restated_figures_that_take_the_first_ones_place_are_caught(dirty):
    def leaking(sources):
        rows = sources["ledger"].sort("available_at")
        series = ("entity_id", "account", "event_time")
        newest = rows.with_columns(amount=pl.col("amount").last().over(series)).unique(series, keep="first")
        return LEDGER_MONTHLY.compute({"ledger": newest})

    cuts = [month_end(month) for month in range(5, 40, 5)]
    assert "amount" in {leak.column for leak in leaks(LEDGER_MONTHLY, leaking, dirty, cuts=cuts)}


def test_fingerprint_and_values_of_a_fixed_ledger_are_pinned(dirty):
    """Values that change need a higher ``version`` of the view."""
    values = LEDGER_MONTHLY.compute(dirty).select(
        pl.col(LEDGER_MONTHLY.feature_names).round_sig_figs(10).fill_null(-1e300) + 0.0
    )

    assert LEDGER_MONTHLY.fingerprint == FINGERPRINT
    assert sha256_bytes(values.to_numpy().tobytes(order="C")) == PINNED_VALUES
