"""Every kind of bad row is quarantined with its own reason, column and value; good rows enter."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ledgerline.audit import Ledger
from ledgerline.core.contracts import CONTRACTS
from ledgerline.core.settings import Settings
from pipelines.validation import Verdict, quarantined_rows, validate

GOOD = 600
AFTER_AS_OF = datetime(2018, 10, 1, 0, 0, 0, 1, tzinfo=UTC)
EVENT = datetime(2018, 5, 1, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

# What is wrong with a row that is otherwise good -> the reason, column and value that it is quarantined with.
FAULTS = {
    "transactions": [
        ({"amount_minor": -1}, ("amount_negative", "amount_minor", "-1")),
        ({"amount_minor": -(2**62) - 1}, ("amount_negative", "amount_minor", "-4611686018427387905")),
        ({"customer_id": " \t"}, ("blank_id", "customer_id", " \t")),
        ({"terminal_id": ""}, ("blank_id", "terminal_id", "")),
        ({"currency": "usd"}, ("currency_malformed", "currency", "usd")),
        ({"currency": "EURO"}, ("currency_malformed", "currency", "EURO")),
        ({"currency": "EUR\n"}, ("currency_malformed", "currency", "EUR\n")),
        (
            {"event_time": AFTER_AS_OF, "available_at": AFTER_AS_OF},
            ("event_in_future", "event_time", "2018-10-01T00:00:00.000001Z"),
        ),
        ({"event_time": LONG_AGO}, ("event_too_early", "event_time", "1970-01-01T00:00:00.000000Z")),
        (
            {"event_time": EVENT, "available_at": EVENT - timedelta(seconds=1)},
            ("available_before_event", "available_at", "2018-04-30T23:59:59.000000Z"),
        ),
        (
            {"available_at": datetime(2100, 1, 1, 0, 0, 1, tzinfo=UTC)},
            ("available_too_late", "available_at", "2100-01-01T00:00:01.000000Z"),
        ),
        # Several faults: quarantined once, under the first.
        ({"customer_id": None, "amount_minor": -5, "currency": "?"}, ("missing_value", "customer_id", None)),
    ],
    "fraud_labels": [
        (
            {"event_time": AFTER_AS_OF, "available_at": AFTER_AS_OF + timedelta(days=9)},
            ("event_in_future", "event_time", "2018-10-01T00:00:00.000001Z"),
        ),
        (
            {"event_time": EVENT, "available_at": EVENT - timedelta(days=1)},  # a label before its transaction
            ("available_before_event", "available_at", "2018-04-30T00:00:00.000000Z"),
        ),
        (
            {"event_time": EVENT, "available_at": EVENT + timedelta(days=7, microseconds=-1)},
            ("label_before_delay", "available_at", "2018-05-07T23:59:59.999999Z"),
        ),
        ({"scenario": -1}, ("scenario_negative", "scenario", "-1")),
    ],
}
for _dataset, _faults in FAULTS.items():
    _faults.extend(
        ({column.name: None}, ("missing_value", column.name, None))
        for column in CONTRACTS[_dataset].columns
        if not column.nullable
    )
CASES = [
    pytest.param(dataset, position, id=f"{dataset}-{outcome[0]}-{outcome[1]}-{position}")
    for dataset, faults in FAULTS.items()
    for position, (_, outcome) in enumerate(faults)
]


@pytest.fixture(scope="module")
def judged(landing, tmp_path_factory):
    """For each dataset a batch with every fault in a row of its own: the rows, the receipt, what was quarantined."""
    ledger = Ledger.open(Settings(home=tmp_path_factory.mktemp("judged")))
    found = {}
    for dataset, faults in FAULTS.items():
        make = landing.payments if dataset == "transactions" else landing.labels
        rows = make(GOOD + len(faults))
        for row, (change, _) in zip(rows[GOOD:], faults, strict=True):
            row |= change
        receipt = validate(ledger, landing.land(ledger, rows, dataset=dataset).id, as_of=landing.AS_OF)
        held = quarantined_rows(ledger, receipt.id).to_dicts()
        result = json.loads(ledger.objects.get(ledger.log.get(receipt.id).identity["result_object"]))
        found[dataset] = rows, receipt, {row["row_number"]: row for row in held}, result["results"]
    return found


@pytest.mark.parametrize(("dataset", "position"), CASES)
def test_bad_row_is_quarantined_with_its_reason_column_and_value(judged, dataset, position):
    _, _, held, _ = judged[dataset]
    row = held[GOOD + position + 1]
    assert (row["reason"], row["column"], row["value"]) == FAULTS[dataset][position][1]


@pytest.mark.parametrize("dataset", FAULTS)
def test_good_rows_beside_bad_ones_enter(judged, dataset):
    _, receipt, held, _ = judged[dataset]
    assert (receipt.verdict, receipt.accepted) == (Verdict.ACCEPTED, GOOD)
    assert receipt.landed == receipt.accepted + receipt.quarantined
    assert len(held) == receipt.quarantined == sum(receipt.reasons.values()) == len(FAULTS[dataset])


@pytest.mark.parametrize("dataset", FAULTS)
def test_quarantined_row_keeps_its_values_as_landed(judged, dataset):
    rows, _, held, _ = judged[dataset]
    assert all({name: row[name] for name in rows[0]} == rows[number - 1] for number, row in held.items())


def test_label_delay_is_judged_by_the_custom_expectation_where_both_instants_are_known(judged):
    *_, results = judged["fraud_labels"]
    [delay] = [entry for entry in results if entry["expectation_config"]["type"] == "expect_label_delay"]
    before_payment, too_early = GOOD + 2, GOOD + 3
    assert delay["result"]["partial_unexpected_index_list"] == [before_payment, too_early]


def test_event_at_as_of_is_accepted(landing, ledger):
    rows = landing.payments(3)
    rows[-1] |= {"event_time": landing.AS_OF, "available_at": landing.AS_OF}
    assert validate(ledger, landing.land(ledger, rows).id, as_of=landing.AS_OF).accepted == 3


def test_instant_beyond_the_calendar_is_quarantined_and_kept(landing, ledger):
    rows = pl.DataFrame(landing.payments(100), schema_overrides=landing.rows_schema(CONTRACTS["transactions"]))
    far = pl.lit(10**18).cast(pl.Datetime("us", "UTC"))
    last = pl.int_range(pl.len()) == 99
    rows = rows.with_columns(
        pl.when(last).then(far).otherwise(pl.col("event_time")).alias("event_time"),
        pl.int_range(1, pl.len() + 1).alias("row_number"),
    )
    receipt = validate(ledger, landing.land(ledger, rows).id, as_of=landing.AS_OF)
    assert receipt.reasons == {"event_in_future": 1}
    assert quarantined_rows(ledger, receipt.id)["value"].item() == "+33658-09-27T01:46:40.000000Z"


def test_very_large_amount_is_recorded_as_a_warning_and_enters(landing, ledger):
    rows = landing.payments(10)
    rows[3]["amount_minor"] = 1_000_001
    rows[4]["amount_minor"] = 2**60
    rows[5]["amount_minor"] = 1_000_000
    receipt = validate(ledger, landing.land(ledger, rows).id, as_of=landing.AS_OF)
    assert (receipt.accepted, receipt.quarantined) == (10, 0)
    assert receipt.warnings == {"amount_very_large": 2}


def test_unreadable_row_of_the_landing_is_quarantined_as_it_was_refused(landing, ledger):
    unreadable = {"row_number": 51, "column": "amount_minor", "value": "12,x", "reason": "not_a_number"}
    batch = landing.land(ledger, landing.payments(50), unreadable=[unreadable])
    receipt = validate(ledger, batch.id, as_of=landing.AS_OF)
    assert (receipt.landed, receipt.accepted, receipt.quarantined) == (51, 50, 1)
    assert receipt.reasons == {"not_a_number": 1}
    [row] = quarantined_rows(ledger, receipt.id).to_dicts()
    assert {name: row[name] for name in unreadable} == unreadable
    assert row["transaction_id"] is None


def test_batch_above_the_threshold_is_blocked_whole(landing, ledger):
    rows = landing.payments(100)
    for row in rows[:6]:
        row["amount_minor"] = -1
    receipt = validate(ledger, landing.land(ledger, rows).id, as_of=landing.AS_OF)
    assert receipt.verdict is Verdict.BLOCKED
    assert (receipt.landed, receipt.accepted, receipt.quarantined) == (100, 0, 100)
    assert receipt.reasons == {"amount_negative": 6, "batch_blocked": 94}
    recorded = ledger.log.get(receipt.id)
    assert recorded.identity["accepted_sha256"] is None
    assert recorded.detail["blocked_by"] == ["quarantined_share"]
    held = quarantined_rows(ledger, receipt.id)
    assert held["row_number"].to_list() == list(range(1, 101))
    assert held.filter(pl.col("reason") == "batch_blocked")["column"].null_count() == 94


def test_batch_at_the_threshold_is_accepted(landing, ledger):
    rows = landing.payments(100)
    for row in rows[:5]:
        row["amount_minor"] = -1
    receipt = validate(ledger, landing.land(ledger, rows).id, as_of=landing.AS_OF)
    assert (receipt.verdict, receipt.accepted, receipt.quarantined) == (Verdict.ACCEPTED, 95, 5)


def test_batch_of_unreadable_rows_alone_is_blocked(landing, ledger):
    unreadable = [
        {"row_number": number, "column": "event_time", "value": "soon", "reason": "not_an_instant"} for number in (1, 2)
    ]
    receipt = validate(ledger, landing.land(ledger, [], unreadable=unreadable).id, as_of=landing.AS_OF)
    assert (receipt.verdict, receipt.landed, receipt.quarantined) == (Verdict.BLOCKED, 2, 2)


def test_batch_without_rows_is_accepted_with_a_warning(landing, ledger):
    receipt = validate(ledger, landing.land(ledger, []).id, as_of=landing.AS_OF)
    assert (receipt.verdict, receipt.landed, receipt.accepted, receipt.quarantined) == (Verdict.ACCEPTED, 0, 0, 0)
    assert receipt.warnings == {"empty_batch": 1}
