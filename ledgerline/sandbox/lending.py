"""Simulated credit applications with a bureau's history, and what became of them by a known function.

Who defaults follows from :func:`log_odds_of_default` and chance, from nothing else: the protected ``GROUP`` is no
argument of it. ``GROUP`` goes with lower incomes, so that a model which never sees it still treats its members
differently: what audits of fairness are for.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]

PURPOSES = ("car", "debt_consolidation", "home_improvement", "medical", "small_business", "education")
HOUSINGS = ("rent", "mortgage", "own")
GROUPS = ("A", "B")
NUMERIC = (
    "age",
    "income",
    "employment_years",
    "debt_to_income",
    "loan_amount",
    "loan_term_months",
    "credit_score",
    "history_years",
    "accounts",
    "total_limit",
    "utilisation",
    "payment_history",
    "derogatory_marks",
    "bankruptcies",
    "months_since_delinquency",
    "months_since_inquiry",
    "months_since_bankruptcy",
    "inquiries_6m",
    "account_diversity",
    "average_account_years",
    "worst_delinquency",
)

_SHARE_OF_B = 0.35
_RISKY_PURPOSE = PURPOSES.index("small_business")
_OWN = HOUSINGS.index("own")


def simulate_applications(count: int, generator: np.random.Generator) -> pl.DataFrame:
    """Return applications: ``NUMERIC``, ``purpose``, ``housing``, ``GROUP`` and ``defaults``, in no order.

    Incomes and limits are in dollars (a year), shares in 0 to 1; ``worst_delinquency`` is in days, ``payment_history``
    the share of instalments paid on time. What has never happened is null.
    """
    people, wishes, past, fate = generator.spawn(4)
    group = (people.random(count) < _SHARE_OF_B).astype(np.int64)
    columns = _people(group, people)
    care = people.standard_normal(count)  # how carefully someone deals with debt; nobody sees it
    columns |= _wishes(columns, wishes)
    columns |= _history(columns, care, past)
    housing = np.clip((columns["age"] - 25) / 20 + people.normal(0, 0.8, count), 0, 2).astype(np.int64)
    columns["housing"] = housing.astype(np.float64)
    defaults = fate.random(count) < 1 / (1 + np.exp(-log_odds_of_default(columns)))
    return pl.DataFrame({name: columns[name] for name in NUMERIC}).with_columns(
        pl.col("months_since_delinquency", "months_since_bankruptcy").fill_nan(None),
        purpose=pl.Series(np.array(PURPOSES)[columns["purpose"].astype(np.int64)]),
        housing=pl.Series(np.array(HOUSINGS)[housing]),
        GROUP=pl.Series(np.array(GROUPS)[group]),
        defaults=pl.Series(defaults),
    )


def log_odds_of_default(columns: Columns) -> Floats:
    """Return the logarithm of the odds that an application defaults within twelve months.

    A little of it is a line: careful payers, high scores and high incomes default less. Most of it is steps, and
    steps that matter only together: an instalment that is too much of the income, above all for those who have just
    changed jobs; used-up limits of the indebted; many inquiries in a short history; a delinquency that is recent; small
    businesses that borrow for long; and those who are so young, or have so few accounts, that nothing is known.

    Args:
        columns: ``NUMERIC``, with NaN for what has never happened, and the places of ``purpose`` and ``housing``.
    """
    instalment = columns["loan_amount"] / columns["loan_term_months"] / (columns["income"] / 12)
    recently_late = np.nan_to_num(columns["months_since_delinquency"], nan=999.0) < 12
    newly_employed = columns["employment_years"] < 2
    strained = (columns["utilisation"] > 0.6) & (columns["debt_to_income"] > 0.35)
    thin = columns["history_years"] < 4
    small_business = columns["purpose"] == _RISKY_PURPOSE
    return (
        -3.3
        - 0.007 * (columns["credit_score"] - 680)
        - 6.0 * (columns["payment_history"] - 0.93)
        - 0.5 * np.log(columns["income"] / 50_000)
        + 0.25 * np.minimum(columns["derogatory_marks"], 3)
        + 1.9 * strained
        + np.where(instalment > 0.12, np.where(newly_employed, 2.8, 0.5), 0.0)
        + np.where(columns["inquiries_6m"] >= 3, np.where(thin, 2.4, -0.2), 0.0)
        + 1.8 * (recently_late & (columns["worst_delinquency"] >= 60))
        + np.where(small_business & (columns["loan_term_months"] >= 48), 1.8, 0.0)
        + 1.3 * ((columns["accounts"] < 4) & (columns["age"] < 29))
        - 0.9 * ((columns["housing"] == _OWN) & (columns["utilisation"] < 0.3))
    )


def _people(group: NDArray[np.int64], generator: np.random.Generator) -> dict[str, Floats]:
    count = group.size
    age = np.clip(np.round(21 + generator.gamma(2.6, 7.5, count)), 21, 78)
    working = np.minimum(age - 18, 45)
    employment = np.round(np.minimum(generator.exponential(6.0, count), working), 1)
    income = np.exp(
        10.75
        + 0.011 * np.minimum(age - 35, 18)
        - 0.28 * group
        + 0.012 * np.minimum(employment, 15)
        + generator.normal(0, 0.42, count)
    )
    return {"age": age, "employment_years": employment, "income": np.round(income, -2)}


def _wishes(people: Columns, generator: np.random.Generator) -> dict[str, Floats]:
    income = people["income"]
    purpose = generator.choice(len(PURPOSES), income.size, p=[0.22, 0.34, 0.16, 0.09, 0.1, 0.09])
    amount = 14_500 * np.sqrt(income / 50_000) * np.exp(generator.normal(0, 0.6, income.size))
    owed = generator.beta(2.2, 4.5, income.size) + 0.03 - 0.06 * np.log(income / 50_000)
    return {
        "purpose": purpose.astype(np.float64),
        "loan_amount": np.round(np.clip(amount, 1_000, 60_000), -2),
        "loan_term_months": generator.choice(
            [12.0, 24.0, 36.0, 48.0, 60.0], income.size, p=[0.1, 0.2, 0.35, 0.15, 0.2]
        ),
        "debt_to_income": np.round(np.clip(owed, 0, 0.95), 3),
    }


def _history(people: Columns, care: Floats, generator: np.random.Generator) -> dict[str, Floats]:
    age, income, count = people["age"], people["income"], care.size
    history = np.round(np.clip((age - 18) * generator.beta(2.5, 2.0, count), 0.5, 45), 1)
    accounts = 1.0 + generator.poisson(1.5 + 0.35 * np.minimum(history, 20))
    utilisation = np.round(1 / (1 + np.exp(0.55 + 0.65 * care - generator.normal(0, 1.0, count))), 3)
    late = generator.random(count) < 1 / (1 + np.exp(1.0 + 1.1 * care))
    derogatory = np.where(late, generator.poisson(np.exp(-0.4 - 0.5 * care)), 0).astype(np.float64)
    bankrupt = late & (generator.random(count) < 0.06)
    since_late = np.ceil(generator.exponential(26.0, count))
    worst = np.where(late, generator.choice([30.0, 60.0, 90.0, 120.0], count, p=[0.45, 0.28, 0.17, 0.1]), 0.0)
    on_time = 0.985 - np.where(late, 0.03 + 0.12 * generator.beta(1.5, 4.0, count), 0.0)
    inquiries = generator.poisson(np.exp(0.1 - 0.3 * care)).astype(np.float64)
    score = (
        690
        + 30 * care
        - 70 * (utilisation - 0.35)
        - 14 * np.minimum(derogatory, 4)
        + 1.2 * np.minimum(history, 25)
        - 4 * inquiries
        + generator.normal(0, 28, count)
    )
    return {
        "credit_score": np.round(np.clip(score, 300, 850)),
        "history_years": history,
        "accounts": accounts,
        "total_limit": np.round(income * np.exp(generator.normal(-0.9, 0.5, count)), -2),
        "utilisation": utilisation,
        "payment_history": np.round(np.clip(on_time + generator.normal(0, 0.008, count), 0.5, 1.0), 3),
        "derogatory_marks": derogatory,
        "bankruptcies": bankrupt.astype(np.float64),
        "months_since_delinquency": np.where(late, np.minimum(since_late, 84), np.nan),
        "months_since_inquiry": np.floor(generator.exponential(np.where(inquiries > 0, 2.5, 14.0))),
        "months_since_bankruptcy": np.where(bankrupt, np.floor(generator.uniform(6, 96, count)), np.nan),
        "inquiries_6m": inquiries,
        "account_diversity": np.round(
            np.clip(generator.beta(2.0, 3.0, count) + 0.02 * np.minimum(accounts, 10), 0, 1), 2
        ),
        "average_account_years": np.round(history * generator.uniform(0.3, 0.8, count), 1),
        "worst_delinquency": worst,
    }
