"""Of a key the first row is kept, within a batch and across batches; what was kept out holds no place."""

from datetime import timedelta

import pytest

from pipelines.validation import Verdict, quarantined_rows, validate, validate_batches


def test_second_row_of_a_key_in_a_batch_is_quarantined(landing, ledger):
    rows = landing.payments(40)
    batch = landing.land(ledger, [*rows, rows[7] | {"amount_minor": 5}])
    receipt = validate(ledger, batch.id, as_of=landing.AS_OF)
    assert (receipt.accepted, receipt.reasons) == (40, {"duplicate_key": 1})
    [row] = quarantined_rows(ledger, receipt.id).to_dicts()
    assert (row["row_number"], row["column"], row["value"]) == (41, "transaction_id", "t7")


def test_every_further_row_of_a_key_is_quarantined(landing, ledger):
    rows = landing.payments(60)
    receipt = validate(ledger, landing.land(ledger, [*rows, rows[0], rows[0]]).id, as_of=landing.AS_OF)
    assert (receipt.accepted, receipt.reasons) == (60, {"duplicate_key": 2})


def test_good_row_enters_after_a_bad_row_of_its_key(landing, ledger):
    rows = landing.payments(40)
    bad = rows[0] | {"amount_minor": -1}
    receipt = validate(ledger, landing.land(ledger, [bad, *rows]).id, as_of=landing.AS_OF)
    assert (receipt.accepted, receipt.reasons) == (40, {"amount_negative": 1})


def test_other_row_of_a_key_accepted_from_an_earlier_batch_is_quarantined(landing, ledger):
    first = landing.land(ledger, landing.payments(40))
    changed = landing.payments(1)[0] | {"amount_minor": 9}
    second = landing.land(ledger, [*landing.payments(40, start=40), changed])
    receipts = validate_batches(ledger, [first.id, second.id], as_of=landing.AS_OF)
    assert [receipt.accepted for receipt in receipts] == [40, 40]
    assert receipts[1].reasons == {"duplicate_key": 1}


def test_row_accepted_from_an_earlier_batch_and_delivered_again_later_is_told_apart(landing, ledger):
    first = landing.land(ledger, landing.payments(40))
    again = landing.payments(1)[0]
    again["available_at"] += timedelta(days=7)
    second = landing.land(ledger, [*landing.payments(40, start=40), again])
    receipts = validate_batches(ledger, [first.id, second.id], as_of=landing.AS_OF)
    assert receipts[1].reasons == {"already_accepted": 1}


def test_file_that_grew_is_not_blocked_for_the_rows_it_delivers_again(landing, ledger):
    first = landing.land(ledger, landing.payments(50))
    grown = landing.land(ledger, landing.payments(60))
    receipts = validate_batches(ledger, [first.id, grown.id], as_of=landing.AS_OF)
    assert (receipts[1].verdict, receipts[1].accepted) == (Verdict.ACCEPTED, 10)
    assert receipts[1].reasons == {"already_accepted": 50}


def test_batch_of_conflicting_rows_is_blocked(landing, ledger):
    first = landing.land(ledger, landing.payments(20))
    conflicting = landing.land(ledger, [row | {"amount_minor": 1} for row in landing.payments(20)])
    receipts = validate_batches(ledger, [first.id, conflicting.id], as_of=landing.AS_OF)
    assert (receipts[1].verdict, receipts[1].reasons) == (Verdict.BLOCKED, {"duplicate_key": 20})


def test_quarantined_row_of_an_earlier_batch_does_not_hold_its_key(landing, ledger):
    rows = landing.payments(40)
    first = landing.land(ledger, [rows[0] | {"currency": "?"}, *rows[1:]])
    second = landing.land(ledger, [rows[0], *landing.payments(40, start=40)])
    receipts = validate_batches(ledger, [first.id, second.id], as_of=landing.AS_OF)
    assert [receipt.accepted for receipt in receipts] == [39, 41]


def test_blocked_batch_holds_no_keys(landing, ledger):
    bad = [row | {"amount_minor": -1} for row in landing.payments(20)]
    first = landing.land(ledger, [*bad, *landing.payments(20, start=20)])
    corrected = landing.land(ledger, landing.payments(40))
    receipts = validate_batches(ledger, [first.id, corrected.id], as_of=landing.AS_OF)
    assert [(receipt.verdict, receipt.accepted) for receipt in receipts] == [
        (Verdict.BLOCKED, 0),
        (Verdict.ACCEPTED, 40),
    ]


def test_keys_of_another_dataset_or_mapping_do_not_count(landing, ledger):
    batches = [
        landing.land(ledger, landing.payments(20)),
        landing.land(ledger, landing.payments(20), mapping="b" * 64),
        landing.land(ledger, landing.labels(20), dataset="fraud_labels"),
    ]
    receipts = validate_batches(ledger, [batch.id for batch in batches], as_of=landing.AS_OF)
    assert [receipt.quarantined for receipt in receipts] == [0, 0, 0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1,)])
def test_outcome_does_not_depend_on_which_batch_is_validated_first(landing, ledger, order):
    rows = landing.payments(60)
    batches = [
        landing.land(ledger, rows[:30], path="1.csv"),
        landing.land(ledger, [*rows[30:], rows[0]], path="2.csv"),
        landing.land(ledger, [*landing.payments(30, start=60), rows[31] | {"amount_minor": 1}], path="3.csv"),
    ]
    for position in order:
        validate(ledger, batches[position].id, as_of=landing.AS_OF)
    receipts = validate_batches(ledger, [batch.id for batch in batches], as_of=landing.AS_OF)
    assert [receipt.reasons for receipt in receipts] == [{}, {"already_accepted": 1}, {"duplicate_key": 1}]


def test_restated_label_is_a_second_row_and_overwrites_nothing(landing, ledger):
    first = landing.land(ledger, landing.labels(40), dataset="fraud_labels")
    label = landing.labels(1)[0]
    restated = label | {"is_fraud": not label["is_fraud"], "available_at": label["available_at"] + timedelta(days=30)}
    second = landing.land(ledger, [*landing.labels(80)[40:], restated], dataset="fraud_labels")
    receipts = validate_batches(ledger, [first.id, second.id], as_of=landing.AS_OF)
    assert [receipt.accepted for receipt in receipts] == [40, 41]


def test_label_that_contradicts_one_known_at_the_same_instant_is_quarantined(landing, ledger):
    rows = landing.labels(40)
    batch = landing.land(ledger, [*rows, rows[3] | {"is_fraud": not rows[3]["is_fraud"]}], dataset="fraud_labels")
    receipt = validate(ledger, batch.id, as_of=landing.AS_OF)
    assert (receipt.accepted, receipt.reasons) == (40, {"duplicate_key": 1})
