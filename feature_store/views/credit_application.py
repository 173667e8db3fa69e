"""What a lender knows of an application when it comes in, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from feature_store.table_view import TableView
from ledgerline.core.contracts import APPLICATIONS

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


CREDIT_APPLICATION = TableView(
    name="credit_application",
    description="What a lender knows of an application when it comes in, and what follows from it.",
    owner="credit models",
    sources=(APPLICATIONS,),
    key_columns=_KEYS,
    features=(),
    computation=_compute,
    meaning={"derived": [[each.name, *each.inputs] for each in DERIVED]},
)
