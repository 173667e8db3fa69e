"""What several feeds of one dataset gave stands together; what a changed feed gave before does not."""

import polars as pl
import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.core.contracts import APPLICATIONS
from ledgerline.core.settings import Settings
from pipelines.ingestion import land, source_of
from pipelines.ingestion.typed_rows import rows_schema
from pipelines.validation import accepted_receipts, quarantined_rows, validate_batches
from pipelines.validation.current import current_receipts
from pipelines.validation.facts import EarlierRows, derive
from pipelines.validation.landed import NotALandedBatch, contract_of, line_of, read_landed

FEED = """
    - files: {name}_*.csv
      as_of: {as_of}
      columns:
        transaction_id: id
        customer_id: card
        terminal_id: {{constant: {name}}}
        amount_minor: {{column: amount, unit: minor}}
        currency: {{constant: EUR}}
        event_time: at
        available_at: at
"""
BANK = """
name: bank
as_of: 2018-10-01T00:00:00Z
datasets:
  applications:
    files: loans.csv
    columns:
      application_id: id
      portfolio: {constant: p}
      dated: {constant: true}
      event_time: at
      available_at: at
    roles: {protected: [sex], numeric: [income]}
"""
HEADER = "id,card,amount,at\n"


@pytest.fixture
def shop(tmp_path, ledger):
    """An installation whose payments come by two feeds, ``web`` until July and ``till`` until September."""
    data = tmp_path / "data"
    data.mkdir()
    feeds = FEED.format(name="web", as_of="2018-07-01T00:00:00Z") + FEED.format(
        name="till", as_of="2018-09-01T00:00:00Z"
    )
    (data / "ledgerline.yaml").write_text(f"name: shop\nas_of: 2018-10-01T00:00:00Z\ndatasets:\n  transactions:{feeds}")
    return Ledger.open(Settings(home=ledger.settings.home, data=data), ledger.clock)


def deliver(shop, name, ids, *, day="2018-06-01"):
    rows = "".join(f"{number},c,100,{day}T10:00:00Z\n" for number in ids)
    (shop.settings.data_path / f"{name}.csv").write_text(HEADER + rows)


def validate_all(shop):
    return validate_batches(shop, land(shop, "transactions").batches)


def reasons(shop, receipt):
    return dict(quarantined_rows(shop, receipt.id).select("transaction_id", "reason").iter_rows())


def test_accepted_is_what_all_present_feeds_gave(shop):
    deliver(shop, "web_1", range(30))
    deliver(shop, "till_1", range(100, 140))
    receipts = validate_all(shop)
    assert [receipt.accepted for receipt in receipts] == [30, 40]
    assert [leaf.id for leaf in accepted_receipts(shop, "transactions")] == [receipt.id for receipt in receipts]
    assert [leaf.id for leaf in current_receipts(shop)] == [receipt.id for receipt in receipts]


def test_key_that_another_feed_gave_before_is_a_repeat(shop):
    deliver(shop, "web_1", range(30))
    deliver(shop, "till_1", [*range(100, 140), 7])
    web, till = validate_all(shop)
    assert (web.accepted, till.accepted) == (30, 40)
    assert list(reasons(shop, till)) == ["7"]


def test_each_feed_is_judged_at_its_own_present(shop):
    deliver(shop, "web_1", range(30))
    deliver(shop, "web_2", range(30, 60), day="2018-08-01")
    deliver(shop, "till_1", range(100, 140), day="2018-08-01")
    receipts = validate_all(shop)
    assert [receipt.accepted for receipt in receipts] == [30, 0, 40]


def test_validated_feed_by_feed_or_at_once_it_ends_the_same(shop, tmp_path):
    deliver(shop, "web_1", range(30))
    deliver(shop, "till_1", [*range(100, 140), 7])
    batches = land(shop, "transactions").batches
    at_once = Ledger.open(Settings(home=tmp_path / "other", data=shop.settings.data), shop.clock)
    expected = [receipt.id for receipt in validate_batches(at_once, land(at_once, "transactions").batches)]
    last, first = (validate_batches(shop, [batch])[0].id for batch in reversed(batches))
    assert [first, last] == expected


def test_what_a_feed_gave_before_it_changed_does_not_stand_beside_the_others(shop):
    deliver(shop, "web_1", range(30))
    deliver(shop, "till_1", range(100, 140))
    _, till = validate_all(shop)
    mapping = shop.settings.data_path / "ledgerline.yaml"
    mapping.write_text(mapping.read_text().replace("{constant: web}", "{constant: internet}"))
    assert [leaf.identity["batch"] for leaf in accepted_receipts(shop, "transactions")] == [till.batch]
    web, till = validate_all(shop)
    assert {leaf.id for leaf in accepted_receipts(shop, "transactions")} == {web.id, till.id}
    assert web.accepted == 30


def test_dataset_stands_as_it_landed_last_when_its_source_is_gone(shop, ledger):
    deliver(shop, "web_1", range(30))
    deliver(shop, "till_1", range(100, 140))
    receipts = validate_all(shop)
    assert {leaf.id for leaf in accepted_receipts(ledger, "transactions")} == {receipt.id for receipt in receipts}


def test_feed_that_is_said_to_start_at_another_instant_is_judged_anew_and_once(shop):
    deliver(shop, "web_1", range(30))
    deliver(shop, "till_1", range(100, 140))
    web, till = validate_all(shop)
    mapping = shop.settings.data_path / "ledgerline.yaml"
    mapping.write_text(
        mapping.read_text().replace("files: web_*.csv", "files: web_*.csv\n      starts: 2018-05-01T00:00:00Z")
    )
    again, unchanged = validate_all(shop)
    assert (again.batch, unchanged.id) == (web.batch, till.id)
    assert again.id != web.id
    assert shop.log.get(again.id).detail["starts"] == "2018-05-01T00:00:00.000000Z"
    assert [receipt.id for receipt in validate_all(shop)] == [again.id, till.id]
    assert len(shop.log.leaves(Kind.VALIDATION_RECEIPT)) == 3


def lender(landing, roles, ids):
    """Rows of ``applications`` with a lender's own columns, as a batch holds them."""
    contract = APPLICATIONS.with_roles(roles)
    common = {"portfolio": "p", "defaulted": False, "outcome_at": landing.AS_OF, "dated": True}
    rows = [
        {
            "row_number": row,
            "application_id": name,
            **common,
            "event_time": landing.FIRST,
            "available_at": landing.FIRST,
            **{own: 1.0 if role == "numeric" else "x" for own, role in roles.items()},
        }
        for row, name in enumerate(ids, start=1)
    ]
    return contract, pl.DataFrame(rows, schema=rows_schema(contract))


def test_batch_of_an_open_contract_says_which_columns_its_lender_has(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "loans.csv").write_text("id,at,income,sex\na,2018-01-01T00:00:00Z,5,f\n")
    (data / "ledgerline.yaml").write_text(BANK)
    bank = Ledger.open(Settings(home=tmp_path / "home", data=data))
    batch = bank.log.get(land(bank, "applications").batches[0])
    assert contract_of(batch) == APPLICATIONS.with_roles({"income": "numeric", "sex": "protected"})
    assert read_landed(bank, batch).rows.select("income", "sex").rows() == [(5.0, "f")]
    (feed,) = source_of(bank.settings).feeds("applications")
    line = line_of(batch)
    assert (line.contract, line.mapping) == (feed.contract("applications").fingerprint, feed.fingerprint)


def test_rows_with_other_columns_than_their_roles_are_no_landed_batch(landing, ledger):
    batch = landing.land(ledger, landing.payments(3))
    forged = type(batch)(
        batch.sequence,
        batch.id,
        batch.kind,
        dict(batch.identity) | {"dataset": "applications", "roles": {"income": "numeric"}},
        batch.detail,
        batch.recorded_at,
        batch.entry,
    )
    with pytest.raises(NotALandedBatch, match="income"):
        read_landed(ledger, forged)


def test_application_that_another_lender_s_feed_gave_is_a_repeat_though_their_columns_differ(landing, tmp_path):
    _, bank_rows = lender(landing, {"income": "numeric", "purpose": "categorical"}, ["a", "b"])
    contract, rows = lender(landing, {"limit": "numeric"}, ["b", "c"])
    bank_rows.write_parquet(tmp_path / "bank.parquet")
    earlier = EarlierRows(contract)
    earlier.add(tmp_path / "bank.parquet")
    facts = derive(rows, pl.repeat(value=True, n=2, eager=True), earlier, contract)
    assert facts["key_occurrence"].to_list() == [2, 1]
    assert facts["already_accepted"].to_list() == [False, False]


def test_application_delivered_again_is_the_same_only_if_the_lender_s_columns_are(landing, tmp_path):
    contract, rows = lender(landing, {"limit": "numeric"}, ["a", "b"])
    rows.write_parquet(tmp_path / "first.parquet")
    earlier = EarlierRows(contract)
    earlier.add(tmp_path / "first.parquet")
    again = pl.concat([rows.head(1), rows.tail(1).with_columns(limit=pl.lit(2.0))])
    facts = derive(again, pl.repeat(value=True, n=2, eager=True), earlier, contract)
    assert facts["already_accepted"].to_list() == [True, False]
