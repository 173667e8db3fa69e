"""Another future has the same rows and other values, and an honest computation does not mind."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from feature_store.lookahead import Found, Future, choose_cuts, leaks, with_future
from feature_store.offline import compute
from feature_store.scrambling import Outcome, scrambled
from feature_store.sources import empty_rows
from feature_store.table_view import TableFeature, TableView
from feature_store.views.credit_application import CREDIT_APPLICATION
from feature_store.views.equity_daily import EQUITY_DAILY
from feature_store.views.ledger_monthly import LEDGER_MONTHLY
from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS

OUTCOME = Outcome("fraud_labels", "transaction_id", "is_fraud")
START = datetime(2024, 1, 1, tzinfo=UTC)
EVERY_FUTURE = list(Future)


@pytest.fixture
def history(frames, payment, label):
    payments = [
        payment(str(minute), minute, cents=100 + minute, known=minute + (7 if minute % 5 == 0 else 0))
        for minute in range(60)
    ]
    labels = [label(str(minute), minute, known=minute + 8, fraud=minute % 2 == 0) for minute in range(0, 60, 3)]
    events, labels = frames(payments, labels)
    return {"transactions": events, "fraud_labels": labels}


@pytest.fixture
def cuts(payment):
    return [payment("", minute)["event_time"] for minute in (20, 33.5, 50)]


def over_tables(computation) -> TableView:
    """A view with one feature, computed from payments and labels as whole tables."""
    return TableView(
        name="planted",
        description="",
        owner="",
        sources=(TRANSACTIONS, FRAUD_LABELS),
        key_columns=("transaction_id", "event_time", "available_at"),
        features=(TableFeature("planted", "", ""),),
        computation=lambda tables: computation(
            tables["transactions"].sort("available_at", "transaction_id"), tables["fraud_labels"]
        ).select("transaction_id", "event_time", "available_at", pl.col("planted").cast(pl.Float64)),
    )


def found_in(view, history, cuts, futures=EVERY_FUTURE):
    return {leak.found for leak in leaks(view, view.compute, history, cuts=cuts, futures=futures, outcome=OUTCOME)}


def test_executor_minds_no_future(view, history, cuts):
    assert leaks(view, view.compute, history, cuts=cuts, futures=EVERY_FUTURE, outcome=OUTCOME) == []


def test_feature_that_reads_the_next_row_is_caught_by_both_futures(history, cuts):
    view = over_tables(lambda rows, _: rows.with_columns(planted=pl.col("amount_minor").shift(-1)))
    assert found_in(view, history, cuts) == {Found.WITHHELD, Found.SCRAMBLED}


def test_feature_that_reads_the_next_row_only_if_there_is_one_is_caught_by_the_scrambled_future_alone(history, cuts):
    """It falls back on what a history that stops cannot tell from the truth: the next amount of the regular series."""
    view = over_tables(
        lambda rows, _: (
            rows.sort("event_time")
            .with_columns(planted=pl.col("amount_minor").shift(-1).fill_null(pl.col("amount_minor") + 1))
            .sort("available_at", "transaction_id")
        )
    )
    whole_minutes = {name: rows.with_columns(available_at="event_time") for name, rows in history.items()}
    assert found_in(view, whole_minutes, cuts) == {Found.SCRAMBLED}


def test_mean_of_everything_is_caught(history, cuts):
    view = over_tables(lambda rows, _: rows.with_columns(planted=pl.col("amount_minor").mean()))
    assert found_in(view, history, cuts) == {Found.WITHHELD, Found.SCRAMBLED}


def test_window_over_outcomes_before_they_were_known_is_caught_by_scrambling_those_alone(view, history, cuts):
    def leaking(sources):
        return compute(view, sources["transactions"], sources["fraud_labels"].with_columns(available_at="event_time"))

    found = leaks(view, leaking, history, cuts=cuts, futures=[Future.OUTCOMES_SCRAMBLED], outcome=OUTCOME)
    assert {(leak.column, leak.found) for leak in found} == {("risk", Found.OUTCOMES_SCRAMBLED)}
    assert all(leak.rows > 0 and leak.example for leak in found)


def test_outcome_in_the_rows_of_the_view_is_turned_round_where_it_was_not_known_yet():
    rows = pl.DataFrame(
        {
            "transaction_id": ["a", "b", "c"],
            "said": [True, False, None],
            "said_at": [START, START + timedelta(days=9), None],
            "available_at": [START] * 3,
            "event_time": [START] * 3,
        }
    )
    outcome = Outcome("transactions", "transaction_id", "said", known=("available_at", "said_at"))
    view = over_tables(lambda rows, _: rows)
    cut = START + timedelta(days=1)
    other = with_future(view, {"transactions": rows}, cut=cut, future=Future.OUTCOMES_SCRAMBLED, outcome=outcome)
    assert other["transactions"]["said"].to_list() == [True, True, None]
    assert other["transactions"].drop("said").equals(rows.drop("said"))


def test_scrambled_rows_keep_what_names_them_and_when_they_came(history):
    rows = history["transactions"]
    later = pl.col("event_time") > START + timedelta(minutes=30)
    other = scrambled(rows, later, keep={"transaction_id", "event_time", "available_at"})
    kept = ["transaction_id", "event_time", "available_at"]
    assert other.select(kept).equals(rows.select(kept))
    assert other.filter(~later).equals(rows.filter(~later))
    assert (other.filter(later)["amount_minor"] != rows.filter(later)["amount_minor"]).all()
    assert other.schema == rows.schema


def test_scrambling_nothing_changes_nothing(history):
    rows = history["transactions"]
    assert scrambled(rows, pl.lit(False), keep=()).equals(rows)
    assert scrambled(empty_rows(TRANSACTIONS), pl.lit(True), keep=()).is_empty()


def test_cuts_are_spread_and_stand_around_the_latest_row(history):
    cuts = choose_cuts([history["transactions"], history["fraud_labels"]], count=3)
    assert cuts == sorted(set(cuts))
    late = START + timedelta(minutes=7)  # the first of the payments that came seven minutes late
    assert {late - timedelta(microseconds=1), late} <= set(cuts)
    assert len(cuts) == 7


def test_cuts_stand_only_among_the_newest_rows(history):
    since = START + timedelta(minutes=30)
    assert min(choose_cuts([history["transactions"]], count=5, since=since)) > since
    assert choose_cuts([history["transactions"]], count=5, since=START + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("view", "features"),
    [
        (EQUITY_DAILY, ("return_1d", "return_5d")),
        (LEDGER_MONTHLY, LEDGER_MONTHLY.feature_names),
        (CREDIT_APPLICATION, ("income", "loan_amount", "income_to_loan")),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_real_table_views_mind_no_future(view, features):
    tables = view.probe(features)
    defaulted = Outcome("applications", "application_id", "defaulted", known=("available_at", "outcome_at"))
    outcome = defaulted if view is CREDIT_APPLICATION else None
    cuts = choose_cuts([tables[contract.name] for contract in view.sources if contract.name in tables], count=3)
    assert len(cuts) >= 3
    assert leaks(view, view.compute, tables, cuts=cuts, futures=EVERY_FUTURE, outcome=outcome) == []


def test_default_read_from_an_application_before_it_was_known_is_caught_by_scrambling_outcomes_alone():
    def telling(tables):
        rows = CREDIT_APPLICATION.computation(tables)
        said = tables["applications"].select("application_id", told=pl.col("defaulted").cast(pl.Float64))
        return rows.join(said.unique("application_id", keep="first", maintain_order=True), on="application_id")

    tables = CREDIT_APPLICATION.probe(("income",))
    outcome = Outcome("applications", "application_id", "defaulted", known=("available_at", "outcome_at"))
    cuts = choose_cuts([tables["applications"]], count=2)
    found = leaks(CREDIT_APPLICATION, telling, tables, cuts=cuts, futures=EVERY_FUTURE, outcome=outcome)
    assert {leak.column for leak in found} == {"told"}
    assert Found.OUTCOMES_SCRAMBLED in {leak.found for leak in found}
    assert Found.WITHHELD not in {leak.found for leak in found}  # truncation alone does not see it
