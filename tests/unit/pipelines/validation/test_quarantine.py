"""What is kept out can be listed and looked at."""

import pytest

from ledgerline.audit import Kind, Leaf, Parent
from pipelines.validation import quarantine_entries, quarantined_rows, validate_batches
from pipelines.validation.quarantine import NothingQuarantined


@pytest.fixture
def refused(ledger):
    """The id of a file that could not be read."""
    raw = ledger.log.append(Leaf(Kind.RAW_FILE, {"sha256": ledger.objects.put(b"\x1f\x8b cut")}))
    identity = {
        "raw": ledger.log.get(raw).identity["sha256"],
        "dataset": "transactions",
        "mapping": "a" * 64,
        "reason": "truncated",
        "message": "the gzip stream ends early",
        "row": None,
        "column": None,
    }
    return ledger.log.append(Leaf(Kind.REFUSED_FILE, identity, {"path": "cut.csv.gz"}), [Parent(raw, "raw")])


def test_entries_are_refused_files_and_batches_that_hold_rows(landing, ledger, refused):
    rows = landing.payments(100)
    rows[0]["amount_minor"] = rows[1]["amount_minor"] = -1
    batches = [
        landing.land(ledger, rows, path="dirty.csv"),
        landing.land(ledger, landing.payments(5, start=200), path="clean.csv"),
        landing.land(ledger, [landing.payments(1)[0] | {"transaction_id": None}], path="blocked.csv"),
    ]
    receipts = validate_batches(ledger, [batch.id for batch in batches], as_of=landing.AS_OF)
    entries = quarantine_entries(ledger)
    assert [(entry.path, entry.rows, entry.blocked, dict(entry.reasons)) for entry in entries] == [
        ("cut.csv.gz", 0, True, {"truncated": 1}),
        ("dirty.csv", 2, False, {"amount_negative": 2}),
        ("blocked.csv", 1, True, {"missing_value": 1}),
    ]
    assert [entry.id for entry in entries] == [refused, receipts[0].id, receipts[2].id]
    assert entries[2].message == "batch blocked by quarantined_share"


def test_rows_are_found_by_the_entry_s_name_and_by_the_batch(landing, ledger):
    rows = landing.payments(100)
    rows[4]["currency"] = "x"
    batch = landing.land(ledger, rows)
    validate_batches(ledger, [batch.id], as_of=landing.AS_OF)
    [entry] = quarantine_entries(ledger)
    by_name = quarantined_rows(ledger, entry.name)
    assert by_name["row_number"].to_list() == [5]
    assert by_name.equals(quarantined_rows(ledger, batch.id[:12]))


def test_refused_file_shows_its_reason_and_message(ledger, refused):
    [row] = quarantined_rows(ledger, refused[:16]).to_dicts()
    assert (row["reason"], row["value"]) == ("truncated", "the gzip stream ends early")


def test_what_cannot_hold_quarantined_rows_is_an_error(landing, ledger):
    batch = landing.land(ledger, landing.payments(3))
    with pytest.raises(NothingQuarantined, match="has not been judged"):
        quarantined_rows(ledger, batch.id)
    [(_, raw)] = ledger.log.parents(batch.id)
    with pytest.raises(NothingQuarantined, match="raw_file"):
        quarantined_rows(ledger, raw.id)
