import io
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from ledgerline.sandbox.lending import NUMERIC, log_odds_of_default, simulate_applications
from ledgerline.sandbox.lending_files import application_files, deliver_applications
from ledgerline.sandbox.sessions import PRESENT

COUNT = 8_000
TYPICAL = {
    "age": 40.0,
    "income": 50_000.0,
    "employment_years": 5.0,
    "debt_to_income": 0.3,
    "loan_amount": 10_000.0,
    "loan_term_months": 36.0,
    "credit_score": 700.0,
    "history_years": 12.0,
    "accounts": 5.0,
    "utilisation": 0.4,
    "payment_history": 0.98,
    "derogatory_marks": 0.0,
    "months_since_delinquency": np.nan,
    "inquiries_6m": 1.0,
    "worst_delinquency": 0.0,
    "purpose": 0.0,
    "housing": 0.0,
}


@pytest.fixture(scope="module")
def applications() -> pl.DataFrame:
    return simulate_applications(COUNT, np.random.default_rng(7))


@pytest.fixture(scope="module")
def delivery(applications: pl.DataFrame) -> tuple[dict[str, pl.DataFrame], dict[str, int]]:
    delivered, dirt = deliver_applications(applications, np.random.default_rng(8))
    return {path: pl.read_parquet(io.BytesIO(content)) for path, content in application_files(delivered)}, dirt


def odds(**changed: float) -> float:
    return float(log_odds_of_default({name: np.array([value]) for name, value in (TYPICAL | changed).items()})[0])


def test_defaults_are_a_known_function_of_the_inputs_and_chance(applications: pl.DataFrame) -> None:
    rate = applications["defaults"].mean()
    assert 0.08 < rate < 0.2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"utilisation": 0.7}, {"debt_to_income": 0.4}),
        ({"inquiries_6m": 4.0}, {"history_years": 2.0}),
        ({"loan_amount": 30_000.0}, {"employment_years": 1.0}),
        ({"purpose": 4.0}, {"loan_term_months": 60.0}),
    ],
)
def test_two_risks_together_are_worse_than_the_sum_of_both(one: dict[str, float], other: dict[str, float]) -> None:
    alone = (odds(**one) - odds()) + (odds(**other) - odds())
    assert odds(**one, **other) - odds() > alone + 0.5


def test_better_score_income_and_payment_history_default_less() -> None:
    for name, better in (("credit_score", 780.0), ("income", 90_000.0), ("payment_history", 1.0)):
        assert odds(**{name: better}) < odds()


def test_group_goes_with_income_and_decides_nothing(applications: pl.DataFrame) -> None:
    assert "GROUP" not in NUMERIC
    incomes = dict(applications.group_by("GROUP").agg(pl.col("income").median()).iter_rows())
    assert incomes["B"] < 0.85 * incomes["A"]
    rates = dict(applications.group_by("GROUP").agg(pl.col("defaults").mean()).iter_rows())
    assert rates["B"] > rates["A"]


def test_inputs_are_possible(applications: pl.DataFrame) -> None:
    assert (applications["employment_years"] <= applications["age"] - 18).all()
    assert (applications["history_years"] <= applications["age"] - 17.5).all()
    assert applications["credit_score"].is_between(300, 850).all()
    for share in ("utilisation", "payment_history", "debt_to_income", "account_diversity"):
        assert applications[share].is_between(0, 1).all()
    never = applications["worst_delinquency"] == 0
    assert (applications["months_since_delinquency"].is_null() == never).all()
    assert (applications["months_since_bankruptcy"].is_null() == (applications["bankruptcies"] == 0)).all()


def test_trees_find_more_in_it_than_a_line() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    table = simulate_applications(20_000, np.random.default_rng(9))
    inputs = table.select(NUMERIC).fill_null(-1).to_numpy()
    outcome = table["defaults"].to_numpy()
    train, test = slice(0, 14_000), slice(14_000, None)
    scaled = StandardScaler().fit(inputs[train])
    line = LogisticRegression(max_iter=500).fit(scaled.transform(inputs[train]), outcome[train])
    trees = HistGradientBoostingClassifier(max_iter=80, max_depth=4, random_state=1).fit(inputs[train], outcome[train])
    by_line = roc_auc_score(outcome[test], line.predict_proba(scaled.transform(inputs[test]))[:, 1])
    by_trees = roc_auc_score(outcome[test], trees.predict_proba(inputs[test])[:, 1])
    assert 0.78 < by_trees < 0.87
    assert by_trees > by_line + 0.03


def test_applications_are_delivered_a_file_a_quarter(
    delivery: tuple[dict[str, pl.DataFrame], dict[str, int]],
) -> None:
    files, _ = delivery
    assert len(files) == 12
    assert next(iter(files)) == "applications/applications_2015-12-31.parquet"
    assert list(files)[-1] == "applications/applications_2018-09-30.parquet"
    assert next(iter(files.values())).columns == [
        "APPLICATION_ID",
        "APPLIED_AT",
        "DEFAULTED",
        "OUTCOME_AT",
        "GROUP",
        *NUMERIC,
        "purpose",
        "housing",
    ]


def test_outcome_is_known_twelve_months_later_and_not_before(
    delivery: tuple[dict[str, pl.DataFrame], dict[str, int]],
) -> None:
    rows = pl.concat(delivery[0].values())
    known = rows.filter(pl.col("OUTCOME_AT").is_not_null(), pl.col("APPLIED_AT") < PRESENT)
    assert (known["OUTCOME_AT"] - known["APPLIED_AT"] >= timedelta(days=365)).all()
    assert (known["OUTCOME_AT"] < PRESENT).all()
    assert rows["DEFAULTED"].is_null().eq(rows["OUTCOME_AT"].is_null()).all()
    recent = rows.filter(pl.col("APPLIED_AT").is_between(PRESENT - timedelta(days=364), PRESENT))
    assert recent["DEFAULTED"].null_count() == recent.height > 0
    assert 0.5 < known.height / rows.height < 0.7


def test_dirt_is_in_the_applications_as_it_is_counted(
    delivery: tuple[dict[str, pl.DataFrame], dict[str, int]],
) -> None:
    rows, dirt = pl.concat(delivery[0].values()), delivery[1]
    lacking = rows.select(pl.col("income", "employment_years", "utilisation", "housing").null_count().cast(pl.Int64))
    assert sum(lacking.row(0)) == dirt["nulls"] > 0
    assert rows.filter(pl.col("income") < 0).height == dirt["negative_income"] > 0
    assert rows.filter(pl.col("purpose") == "cryptocurrency").height == dirt["unseen_category"] > 0
    assert rows["APPLICATION_ID"].is_duplicated().sum() == 2 * dirt["duplicates"] > 0
    assert rows.filter(pl.col("APPLIED_AT") > PRESENT).height == dirt["future_dates"] > 0
    assert rows.filter(pl.col("age") < 18).height == dirt["impossible_age"] > 0
    assert rows.height == COUNT + dirt["duplicates"]
