"""Monthly figures of planning and accounting: what the last months were, and how they changed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store.histories import Histories, Versions, as_known
from feature_store.lookback import Lookback, Values, ratio
from feature_store.sources import empty_rows
from feature_store.table_view import Span, TableFeature, TableView
from ledgerline.core.contracts import LEDGER

Months = NDArray[np.int64]

LAGS = (1, 2, 3, 12)
MEANS = (3, 6, 12)
_LOOKBACK = 12
_SERIES = ("entity_id", "account")
_KEYS = (*_SERIES, "event_time", "available_at")


def _features() -> tuple[TableFeature, ...]:
    unit = "currency or unit of the books"
    return (
        TableFeature("amount", "The month's figure.", unit),
        TableFeature("month", "Month of the year.", "1 to 12"),
        TableFeature("quarter", "Quarter of the year.", "1 to 4"),
        TableFeature("year", "Calendar year.", "years"),
        *(TableFeature(f"lag_{lag}", f"The figure {lag} months earlier.", unit) for lag in LAGS),
        TableFeature("growth_1", "Change over the month before, as a share of its size.", "share"),
        TableFeature("growth_12", "Change over the same month a year before, as a share of its size.", "share"),
        *(
            TableFeature(f"mean_{months}", f"Mean of the last {months} months, this one included.", unit)
            for months in MEANS
        ),
    )


def _compute(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Compute the view; a month that is missing, or not yet known, leaves what needs it null."""
    rows = tables[LEDGER.name]
    month = _month_numbers(rows["event_time"])
    histories = as_known(_versions(rows, month), lookback=_LOOKBACK)
    columns = _columns(rows["amount"].to_numpy(), month, histories)
    decided = histories.decided
    features = {name: values[decided] for name, values in columns.items()}
    known = rows.select(_KEYS)[histories.version[decided]]
    return (
        known.with_columns(pl.Series(name, values, pl.Float64) for name, values in features.items())
        .with_columns(pl.col(LEDGER_MONTHLY.feature_names).fill_nan(None))
        .sort("available_at", "event_time", *_SERIES)
    )


def _month_numbers(event_time: pl.Series) -> Months:
    """Return the calendar months that end at the given instants, counted from the year 0."""
    within = event_time.dt.offset_by("-1us")
    return (within.dt.year().cast(pl.Int64) * 12 + within.dt.month() - 1).to_numpy()


def _versions(rows: pl.DataFrame, month: Months) -> Versions:
    count = rows.height
    return Versions(
        entity=rows.select(pl.struct(_SERIES).rank("dense").cast(pl.Int64)).to_series().to_numpy(),
        event=month,
        arrival=rows["available_at"].to_physical().to_numpy(),
        regime=np.zeros(count, np.int64),
        decides=np.ones(count, np.bool_),
    )


def _columns(amounts: Values, months: Months, histories: Histories) -> dict[str, Values]:
    amount, month = amounts[histories.version], months[histories.version]
    back = Lookback(histories.position)
    earlier = _by_months(amount, month.astype(np.float64), back)
    growth = {lag: ratio(amount - earlier[lag], np.abs(earlier[lag])) for lag in (1, 12)}
    means = {span: sum((earlier[lag] for lag in range(1, span)), start=amount) / span for span in MEANS}
    return {
        "amount": amount,
        "month": (month % 12 + 1).astype(np.float64),
        "quarter": (month % 12 // 3 + 1).astype(np.float64),
        "year": (month // 12).astype(np.float64),
        **{f"lag_{lag}": earlier[lag] for lag in LAGS},
        **{f"growth_{lag}": values for lag, values in growth.items()},
        **{f"mean_{span}": values for span, values in means.items()},
    }


def _by_months(amount: Values, month: Values, back: Lookback) -> list[Values]:
    """Return the figure of each of the last months by the calendar, so that a gap does not shift the others."""
    earlier = [amount, *(np.full(amount.size, np.nan) for _ in range(_LOOKBACK))]
    for rows in range(1, _LOOKBACK + 1):
        gap, value = month - back.lag(month, rows), back.lag(amount, rows)
        for months in range(rows, _LOOKBACK + 1):
            np.copyto(earlier[months], value, where=gap == months)
    return earlier


def _probe(_features: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Return two and a half years of two entities' two accounts, some months restated, late or missing."""
    random = np.random.default_rng(1)
    rows = []
    for number in range(30):
        end = datetime(2020 + (number + 1) // 12, (number + 1) % 12 + 1, 1, tzinfo=UTC)
        for entity in ("north", "south"):
            for account in ("cost", "revenue"):
                for _ in range(int(random.choice([0, 1, 2], p=[0.05, 0.85, 0.1]))):
                    known = end + timedelta(days=float(random.choice([3, 5, 40])))
                    rows.append((entity, account, float(random.normal(100, 30)), str(number % 3), end, known))
    return {LEDGER.name: pl.DataFrame(rows, schema=empty_rows(LEDGER).schema, orient="row")}


LEDGER_MONTHLY = TableView(
    name="ledger_monthly",
    description="Monthly figures of planning and accounting, their past and their growth.",
    owner="forecast models",
    sources=(LEDGER,),
    key_columns=_KEYS,
    features=_features(),
    computation=_compute,
    file_span=Span.YEAR,
    probe=_probe,
)
