"""Whatever becomes of the future, honest computations do not mind; who peeks is caught exactly where it shows."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.lookahead import Found, Future, choose_cuts, leaks, with_future
from feature_store.scrambling import Outcome
from feature_store.sources import empty_rows
from feature_store.table_view import TableFeature, TableView
from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS

START = datetime(2024, 1, 1, tzinfo=UTC)
OUTCOME = Outcome("fraud_labels", "transaction_id", "is_fraud")
_PAYMENTS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30), st.integers(1, 9), st.booleans(), st.integers(0, 30)),
    min_size=1,
    max_size=20,
)  # minute, how late it came, cents, fraud, how late that was known


def history(drawn) -> dict[str, pl.DataFrame]:
    payments, labels = [], []
    for number, (minute, late, cents, fraud, known) in enumerate(drawn):
        about, came = START + timedelta(minutes=minute), START + timedelta(minutes=minute + late)
        payments.append((str(number), "c", "t", cents, "EUR", about, came))
        labels.append((str(number), fraud, None, about, about + timedelta(minutes=known)))
    names = ("transaction_id", "customer_id", "terminal_id", "amount_minor", "currency", "event_time", "available_at")
    rows = pl.DataFrame(payments, schema={name: empty_rows(TRANSACTIONS).schema[name] for name in names}, orient="row")
    said = ("transaction_id", "is_fraud", "scenario", "event_time", "available_at")
    told = pl.DataFrame(labels, schema={name: empty_rows(FRAUD_LABELS).schema[name] for name in said}, orient="row")
    return {"transactions": rows, "fraud_labels": told}


def view_of(total) -> TableView:
    """A view with one feature a payment, made by a function of its row, all rows and all labels."""

    def compute(tables):
        rows = tables["transactions"].sort("available_at", "transaction_id")
        each, said = rows.to_dicts(), tables["fraud_labels"].to_dicts()
        values = [float(total(row, each, said)) for row in each]
        kept = rows.select("transaction_id", "event_time", "available_at")
        return kept.with_columns(total=pl.Series(values, dtype=pl.Float64))

    return TableView(
        name="planted",
        description="",
        owner="",
        sources=(TRANSACTIONS, FRAUD_LABELS),
        key_columns=("transaction_id", "event_time", "available_at"),
        features=(TableFeature("total", "", ""),),
        computation=compute,
    )


def known_so_far(row, rows, labels):
    """Honest: the amounts that had arrived, and the frauds that were known."""
    amounts = sum(other["amount_minor"] for other in rows if other["available_at"] <= row["available_at"])
    return amounts + 100 * sum(said["is_fraud"] for said in labels if said["available_at"] <= row["available_at"])


def by_event_time(row, rows, _labels):
    """Peeks: the amounts of earlier payments, whenever they arrived."""
    return sum(other["amount_minor"] for other in rows if other["event_time"] <= row["event_time"])


def own_label(row, _rows, labels):
    """Peeks: what became of the payment itself, whenever that was known."""
    return sum(said["is_fraud"] for said in labels if said["transaction_id"] == row["transaction_id"])


@given(_PAYMENTS, st.lists(st.integers(0, 95), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_honest_computation_minds_no_future_at_any_cut(drawn, minutes):
    cuts = [START + timedelta(minutes=minute) for minute in minutes]
    view = view_of(known_so_far)
    assert leaks(view, view.compute, history(drawn), cuts=cuts, futures=list(Future), outcome=OUTCOME) == []


@given(_PAYMENTS, st.integers(0, 95))
@settings(max_examples=40, deadline=None)
def test_withholding_finds_exactly_the_rows_that_counted_what_had_not_arrived(drawn, minute):
    cut, sources, view = START + timedelta(minutes=minute), history(drawn), view_of(by_event_time)
    rows = sources["transactions"].to_dicts()
    late = [row for row in rows if row["available_at"] > cut]
    moved = [
        row
        for row in rows
        if row["available_at"] <= cut and any(other["event_time"] <= row["event_time"] for other in late)
    ]
    found = leaks(view, view.compute, sources, cuts=[cut])
    assert sum(leak.rows for leak in found) == len(moved)
    assert {leak.found for leak in found} == ({Found.WITHHELD} if moved else set())


@given(_PAYMENTS, st.integers(0, 95))
@settings(max_examples=40, deadline=None)
def test_scrambling_outcomes_finds_exactly_the_rows_whose_own_was_not_known_yet(drawn, minute):
    cut, sources, view = START + timedelta(minutes=minute), history(drawn), view_of(own_label)
    known_at = {said["transaction_id"]: said["available_at"] for said in sources["fraud_labels"].to_dicts()}
    moved = [
        row
        for row in sources["transactions"].to_dicts()
        if row["available_at"] <= cut < known_at[row["transaction_id"]]
    ]
    found = leaks(view, view.compute, sources, cuts=[cut], futures=[Future.OUTCOMES_SCRAMBLED], outcome=OUTCOME)
    assert sum(leak.rows for leak in found) == len(moved)


@given(_PAYMENTS, st.integers(0, 95), st.sampled_from(Future))
@settings(max_examples=40, deadline=None)
def test_what_was_known_at_a_cut_is_never_touched(drawn, minute, future):
    cut, sources, view = START + timedelta(minutes=minute), history(drawn), view_of(known_so_far)
    other = with_future(view, sources, cut=cut, future=future, outcome=OUTCOME)
    for name, rows in sources.items():
        known = pl.col("available_at") <= cut
        assert other[name].filter(known).equals(rows.filter(known))
        if future is not Future.WITHHELD:
            kept = ["transaction_id", "event_time", "available_at"]
            assert other[name].select(kept).equals(rows.select(kept))


@given(_PAYMENTS, st.integers(1, 6), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_cuts_ascend_once_each_and_stand_where_rows_arrive(drawn, count, minute):
    since = START + timedelta(minutes=minute)
    rows = list(history(drawn).values())
    cuts = choose_cuts(rows, count=count, since=since)
    arrivals = {at for frame in rows for at in frame["available_at"]}
    assert cuts == sorted(set(cuts))
    assert all(cut > since for cut in cuts)
    assert all({cut, cut + timedelta(microseconds=1)} & arrivals for cut in cuts)
    assert len(cuts) <= count + 2 * len(rows)
