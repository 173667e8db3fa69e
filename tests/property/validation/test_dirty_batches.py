"""Whatever lands, nothing is lost and nothing bad enters: checked by rules written again, in polars, without GX."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerline.audit import Ledger
from ledgerline.core.contracts import contract_named
from ledgerline.core.settings import PROJECT_ROOT, Settings
from pipelines.validation import Verdict, quarantined_rows, validate_batches

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
CENTURY = datetime(2000, 1, 1, tzinfo=UTC)

one_of = st.sampled_from
ids = one_of([f"t{number}" for number in range(60)])
events = one_of([AS_OF - timedelta(days=day) for day in (170, 100, 8, 0)] + [CENTURY])
edges = one_of(
    [
        None,
        *(AS_OF + timedelta(microseconds=1), CENTURY - timedelta(microseconds=1)),
        *(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)),
        *(CENTURY + timedelta(days=days) for days in (-1, 6, 7, 40_000)),
    ]
)


def dirtied(good, faults):
    """Draw good rows of which about one in three has up to two of its values replaced."""
    one_fault = st.one_of(*(value.map(lambda drawn, name=name: {name: drawn}) for name, value in faults.items()))
    changes = st.one_of(st.just([]), st.just([]), st.lists(one_fault, min_size=1, max_size=2))

    def merge(drawn):
        row, faulty = drawn
        delay = row.pop("delay")
        row["available_at"] = row["event_time"] + delay
        for change in faulty:
            row |= change
        return row

    return st.tuples(st.fixed_dictionaries(good), changes).map(merge)


blanks = one_of(["", " ", "\n\t", "\u3000", None])
payments = dirtied(
    {
        "transaction_id": ids,
        "customer_id": one_of(["c1", "c2"]),
        "terminal_id": one_of(["m1", "m2"]),
        "amount_minor": st.integers(0, 2),
        "currency": one_of(["USD", "EUR"]),
        "event_time": events,
        "delay": one_of([timedelta(0), timedelta(days=1)]),
    },
    {
        "transaction_id": blanks,
        "customer_id": blanks,
        "terminal_id": blanks,
        "amount_minor": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "currency": one_of(["usd", "US", "USDX", "USD\n", "\nUSD", "€UR", "", None]),
        "event_time": edges,
        "available_at": edges,
    },
)
labels = dirtied(
    {
        "transaction_id": ids,
        "is_fraud": st.booleans(),
        "scenario": st.one_of(st.none(), st.integers(0, 3)),
        "event_time": events,
        "delay": one_of([timedelta(days=7), timedelta(days=30)]),
    },
    {
        "transaction_id": blanks,
        "is_fraud": st.none(),
        "scenario": st.integers(-2, -1),
        "event_time": edges,
        "available_at": edges,
    },
)


def keeps_the_contract(rows, dataset):
    """Return the rows that the contract and the written rules let in, keys left aside."""
    event, known = pl.col("event_time"), pl.col("available_at")
    rules = [pl.col(column.name).is_not_null() for column in contract_named(dataset).columns if not column.nullable]
    rules += [pl.col("transaction_id").str.strip_chars() != "", event >= CENTURY, event <= AS_OF, known >= event]
    rules += [known <= datetime(2100, 1, 1, tzinfo=UTC)]
    if dataset == "transactions":
        rules += [pl.col("amount_minor") >= 0, pl.col("currency").str.len_chars() == 3]
        rules += [pl.col("currency").str.replace_all("[A-Z]", "").str.len_chars() == 0]
        rules += [pl.col(name).str.strip_chars() != "" for name in ("customer_id", "terminal_id")]
    else:
        rules += [known - event >= timedelta(days=7), pl.col("scenario").fill_null(0) >= 0]
    return rows.filter(pl.all_horizontal(rules))


@pytest.fixture(scope="module")
def lenient_project(tmp_path_factory):
    """A project whose suites let batches in however dirty they are, so that what enters can be compared row by row."""
    project = tmp_path_factory.mktemp("project")
    committed = PROJECT_ROOT / "great_expectations" / "expectations"
    suites = project / "great_expectations" / "expectations"
    shutil.copytree(committed, suites)
    for path in suites.glob("*.json"):
        suite = json.loads(path.read_text())
        suite["meta"]["max_quarantined_share"] = 1.0
        path.write_text(json.dumps(suite))
    return project


@pytest.fixture(scope="module")
def new_ledger(tmp_path_factory):
    """A function that makes a fresh installation: hypothesis runs many examples in one test."""

    def make(project=PROJECT_ROOT):
        return Ledger.open(Settings(home=tmp_path_factory.mktemp("home"), project=project))

    return make


def landed_rows(landing, batch_rows, dataset):
    schema = landing.rows_schema(contract_named(dataset))
    numbered = [{"row_number": number} | row for number, row in enumerate(batch_rows, start=1)]
    return pl.DataFrame(numbered, schema=schema, orient="row")


def check(landing, ledger, batches, dataset, unreadable):
    """Validate the batches and compare what entered with what the written rules let in."""
    frames = [landed_rows(landing, rows, dataset) for rows in batches]
    leaves = []
    for position, frame in enumerate(frames):
        extra = [
            {"row_number": frame.height + number, "column": "event_time", "value": "?", "reason": "not_an_instant"}
            for number in range(1, unreadable + 1)
        ]
        leaves.append(landing.land(ledger, frame, dataset=dataset, unreadable=extra, path=f"{position}.csv"))
    key = contract_named(dataset).key
    held_keys: set[tuple[object, ...]] = set()
    for frame, receipt in zip(frames, validate_batches(ledger, [leaf.id for leaf in leaves], as_of=AS_OF), strict=True):
        assert receipt.landed == frame.height + unreadable == receipt.accepted + receipt.quarantined
        quarantined = quarantined_rows(ledger, receipt.id)
        assert quarantined.height == receipt.quarantined == sum(receipt.reasons.values())
        assert quarantined["reason"].null_count() == 0
        good = keeps_the_contract(frame, dataset)
        is_new = [row not in held_keys for row in good.select(key).rows()]
        first = good.filter(pl.Series(is_new, dtype=pl.Boolean)).unique(key, keep="first", maintain_order=True)
        if receipt.verdict is Verdict.BLOCKED:
            assert receipt.accepted == 0
            continue
        leaf = ledger.log.get(receipt.id)
        accepted = pl.read_parquet(ledger.settings.workspace_path / leaf.detail["accepted_path"])
        assert accepted.equals(first)
        held_keys |= set(accepted.select(key).rows())
        numbers = sorted([*accepted["row_number"], *quarantined["row_number"]])
        assert numbers == list(range(1, receipt.landed + 1))


PROFILE = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@PROFILE
@given(
    batches=st.lists(st.lists(payments, min_size=20, max_size=60), min_size=1, max_size=2), unreadable=st.integers(0, 2)
)
def test_only_payments_that_keep_the_contract_enter(landing, new_ledger, lenient_project, batches, unreadable):
    check(landing, new_ledger(lenient_project), batches, "transactions", unreadable)


@PROFILE
@given(
    batches=st.lists(st.lists(labels, min_size=20, max_size=60), min_size=1, max_size=2), unreadable=st.integers(0, 2)
)
def test_only_labels_that_keep_the_contract_enter(landing, new_ledger, lenient_project, batches, unreadable):
    check(landing, new_ledger(lenient_project), batches, "fraud_labels", unreadable)


@PROFILE
@given(rows=st.lists(payments, min_size=1, max_size=30), unreadable=st.integers(0, 2))
def test_batch_is_blocked_exactly_when_more_than_a_twentieth_is_bad(landing, new_ledger, rows, unreadable):
    ledger = new_ledger()
    frame = landed_rows(landing, rows + landing.payments(60, start=1_000), "transactions")
    extra = [
        {"row_number": 1000 + number, "column": "event_time", "value": "?", "reason": "not_an_instant"}
        for number in range(unreadable)
    ]
    batch = landing.land(ledger, frame, unreadable=extra)
    [receipt] = validate_batches(ledger, [batch.id], as_of=AS_OF)
    enters = keeps_the_contract(frame, "transactions").unique("transaction_id").height
    bad = receipt.landed - enters
    assert receipt.verdict is (Verdict.BLOCKED if bad > 0.05 * receipt.landed else Verdict.ACCEPTED)
    assert receipt.landed == receipt.accepted + receipt.quarantined
    assert receipt.accepted == (0 if receipt.verdict is Verdict.BLOCKED else enters)
