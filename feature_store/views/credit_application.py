"""What a lender knows of an application when it comes in, and what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from feature_store.sources import empty_rows
from feature_store.table_view import TableView
from ledgerline.core.contracts import APPLICATIONS

_PROBED = 20
_PROBE_BEGINS = datetime(2020, 1, 1, tzinfo=UTC)
_KEYS = ("application_id", "portfolio", "event_time", "available_at")


@dataclass(frozen=True, slots=True)
class Derived:
    """A feature made of two columns that a lender may have.

    Attributes:
        name: The feature's name.
        inputs: The columns, by the names that mappings give them.
        value: What is made of them; null where one of them is.
        description: For the reader.
    """

    name: str
    inputs: tuple[str, str]
    value: pl.Expr
    description: str


def _share(above: str, below: str) -> pl.Expr:
    return pl.when(pl.col(below) != 0).then(pl.col(above) / pl.col(below))


DERIVED = (
    Derived("income_to_loan", ("income", "loan_amount"), _share("income", "loan_amount"), "Income by loan amount."),
    Derived(
        "employment_stability",
        ("employment_years", "age"),
        _share("employment_years", "age"),
        "Years in employment by age.",
    ),
    Derived(
        "credit_density",
        ("accounts", "history_years"),
        _share("accounts", "history_years"),
        "Accounts a year of credit history.",
    ),
    Derived(
        "income_x_score", ("income", "credit_score"), pl.col("income") * pl.col("credit_score"), "Income times score."
    ),
    Derived(
        "dti_x_utilisation",
        ("debt_to_income", "utilisation"),
        pl.col("debt_to_income") * pl.col("utilisation"),
        "Debt to income times utilisation of limits.",
    ),
)


def _compute(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Compute the view from every application as it first came in.

    What is restated later, its outcome above all, is not seen.
    """
    applications = tables[APPLICATIONS.name].sort("available_at", "application_id", maintain_order=True)
    first = applications.filter(pl.col("application_id").is_first_distinct())
    types = applications.schema
    own = sorted(types.keys() - set(APPLICATIONS.column_names))
    numeric = {name for name in own if types[name] == pl.Float64}
    derived = [each for each in DERIVED if numeric.issuperset(each.inputs) and each.name not in own]
    return first.select(*_KEYS, *own, *(each.value.cast(pl.Float64).alias(each.name) for each in derived))


def _probe(features: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Return applications of a lender whose own columns give these features, every other one restated later."""
    random = np.random.default_rng(1)
    derived = {each.name for each in DERIVED if set(each.inputs) <= set(features)}
    first = [_PROBE_BEGINS + timedelta(hours=number) for number in range(_PROBED)]
    own = {name: random.uniform(1, 2, 2 * _PROBED) for name in features if name not in derived}
    rows = pl.DataFrame(
        {
            "application_id": [str(number // 2) if number >= _PROBED else str(number) for number in range(2 * _PROBED)],
            "portfolio": random.choice(["cards", "loans"], 2 * _PROBED),
            "defaulted": random.random(2 * _PROBED) < 0.5,
            "outcome_at": [at + timedelta(days=365 + number) for number, at in enumerate(first * 2)],
            "dated": random.random(2 * _PROBED) < 0.5,
            "event_time": first * 2,
            "available_at": [*first, *(at + timedelta(days=1) for at in first)],
        },
        schema=empty_rows(APPLICATIONS).schema,
    )
    return {APPLICATIONS.name: rows.with_columns(pl.Series(name, values) for name, values in own.items())}


CREDIT_APPLICATION = TableView(
    name="credit_application",
    description="What a lender knows of an application when it comes in, and what follows from it.",
    owner="credit models",
    sources=(APPLICATIONS,),
    key_columns=_KEYS,
    features=(),
    computation=_compute,
    probe=_probe,
    meaning={"derived": [[each.name, *each.inputs] for each in DERIVED]},
)
