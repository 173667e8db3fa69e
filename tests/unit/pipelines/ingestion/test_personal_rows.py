"""Landing files with personal data: what is kept tells nobody who it is about, and an erased person stays erased."""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.erasure import erase
from ledgerline.audit.personal import SEALED_FILE, SUBJECT, personal_data
from ledgerline.audit.sealing import Unopened, unseal_file, unseal_text
from ledgerline.cli.main import app
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import sha256_file
from ledgerline.core.settings import Settings
from ledgerline.decisions.effects import check_effects
from pipelines.ingestion import land
from pipelines.ingestion.landing import NoLongerPersonal
from pipelines.ingestion.mapping_file import load_mapping

Deliver = Callable[..., Path]
Landed = Callable[[str], pl.DataFrame]
Unreadable = Callable[[str], list[tuple[object, ...]]]

PERSONAL = """
    personal:
      subject: customer_id
      columns: [terminal_id]
"""
ROWS = (
    "t1,card-anna,shop-north,0.29,2024-01-05T10:00:00Z\n"
    "t2,card-bela,shop-south,57.16,2024-01-05T11:00:00Z\n"
    "t3,card-anna,shop-south,8.00,2024-01-05T12:00:00Z\n"
)

LABELS = """
  fraud_labels:
    files: payments/*_{date}.csv
    columns:
      transaction_id: id
      is_fraud: {column: amount, greater_than: 50}
      event_time: {column: paid_at, timezone: Europe/Paris}
      available_at: {after: event_time, delay: 0s}
"""
APPLICATIONS = """
  applications:
    files: payments/*_{date}.csv
    columns:
      application_id: card
      portfolio: {constant: loans}
      dated: {constant: true}
      event_time: {constant: 2024-01-05T10:00:00Z}
      available_at: {after: event_time, delay: 0s}
    roles: {personal: {shop: shop}}
    personal: {subject: application_id}
"""


@pytest.fixture(autouse=True)
def declared(data: Path) -> None:
    """The shop's mapping says that its cards are persons, and its shops tell who they are."""
    path = data / "ledgerline.yaml"
    path.write_text(path.read_text().rstrip() + PERSONAL)


def everything_kept(ledger: Ledger) -> Iterator[bytes]:
    """Yield every byte below the installation's home, but for the key itself."""
    for path in ledger.settings.home.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def test_one_person_has_one_pseudonym_wherever_they_appear(ledger: Ledger, deliver: Deliver, landed_rows: Landed):
    deliver("2024-01-05", ROWS)
    deliver("2024-01-06", "t4,card-anna,shop-north,1.00,2024-01-06T10:00:00Z\n")
    first, second = (landed_rows(batch) for batch in land(ledger, "transactions").batches)
    anna, bela, again = first["customer_id"]
    assert anna == again == second["customer_id"][0] != bela
    assert all(name.startswith("person-") for name in (anna, bela))
    assert first.drop("customer_id", "terminal_id").rows() == [
        (number, f"t{number}", amount, "EUR", at, at)
        for number, amount, at in zip((1, 2, 3), (29, 5716, 800), first["event_time"], strict=True)
    ]


def test_nothing_that_is_kept_says_who_it_is_about(ledger: Ledger, deliver: Deliver):
    deliver("2024-01-05", ROWS + "t9,card-anna,shop-north,much,2024-01-05T10:00:00Z\nt10,card-carl\n")
    land(ledger, "transactions")
    for kept in everything_kept(ledger):
        assert not [name for name in (b"card-anna", b"card-bela", b"card-carl", b"shop-north") if name in kept]


def test_whoever_holds_the_keys_reads_it_all_again(
    ledger: Ledger, deliver: Deliver, landed_rows: Landed, tmp_path: Path
):
    path = deliver("2024-01-05", ROWS)
    (batch,) = land(ledger, "transactions").batches
    data, leaf, rows = personal_data(ledger.log, ledger.settings), ledger.log.get(batch), landed_rows(batch)
    assert leaf.identity["personal"] == {"subject": "customer_id", "others": ["terminal_id"]}
    with ledger.log.transaction() as transaction:
        assert data.identifier(transaction, rows["customer_id"][0]) == ("customer_id", "card-anna")
        anna = data.called(transaction, rows["customer_id"][0])
        file_key = data.file_key(transaction, data.fingerprint(sha256_file(path)))
    assert anna is not None
    assert anna.key is not None
    assert file_key is not None
    assert unseal_text(anna.key, rows["terminal_id"][0], "transactions.terminal_id") == "shop-north"
    with ledger.objects.local(leaf.identity["raw"]) as sealed:
        unseal_file(file_key, sealed, tmp_path / "opened.csv")
    assert (tmp_path / "opened.csv").read_bytes() == path.read_bytes()


def test_sealed_content_opens_only_where_it_belongs(ledger: Ledger, deliver: Deliver, landed_rows: Landed):
    deliver("2024-01-05", ROWS)
    (batch,) = land(ledger, "transactions").batches
    rows, data = landed_rows(batch), personal_data(ledger.log, ledger.settings)
    with ledger.log.reading() as connection:
        anna, bela = (data.called(connection, rows["customer_id"][number]) for number in (0, 1))
    for person, place in ((bela, "transactions.terminal_id"), (anna, "transactions.currency")):
        assert person is not None
        assert person.key is not None
        with pytest.raises(Unopened, match="does not open"):
            unseal_text(person.key, rows["terminal_id"][0], place)


def test_the_same_file_lands_once_and_a_second_installation_knows_nobody_of_the_first(
    ledger: Ledger, deliver: Deliver, landed_rows: Landed, tmp_path: Path
):
    deliver("2024-01-05", ROWS)
    (batch,) = land(ledger, "transactions").batches
    assert land(ledger, "transactions").new == ()
    other = Ledger.open(Settings(home=tmp_path / "other", data=ledger.settings.data), ledger.clock)
    (foreign,) = land(other, "transactions").batches
    assert other.log.get(foreign).identity["fingerprint"] != ledger.log.get(batch).identity["fingerprint"]
    with other.objects.local(other.log.get(foreign).identity["rows_object"]) as path:
        assert set(pl.read_parquet(path)["customer_id"]).isdisjoint(landed_rows(batch)["customer_id"])


def test_an_erased_person_is_gone_from_the_files_and_the_others_are_not(
    ledger: Ledger, deliver: Deliver, landed_rows: Landed
):
    both, other = deliver("2024-01-05", ROWS), "t4,card-bela,shop-south,1.00,2024-01-06T10:00:00Z\n"
    alone = deliver("2024-01-06", other)
    batches = land(ledger, "transactions").batches
    raw = [ledger.log.get(batch).identity["raw"] for batch in batches]
    done = erase(ledger, "customer_id=card-anna", person="dana", reason="request 7")
    assert done.files == (raw[0],)
    data, rows = personal_data(ledger.log, ledger.settings), landed_rows(batches[0])
    with ledger.log.transaction() as transaction:
        assert data.file_key(transaction, data.fingerprint(sha256_file(both))) is None
        assert data.file_key(transaction, data.fingerprint(sha256_file(alone))) is not None
        assert data.identifier(transaction, rows["customer_id"][0]) is None
        assert data.identifier(transaction, rows["customer_id"][1]) == ("customer_id", "card-bela")
    erasure = ledger.log.get(str(done.leaf))
    assert erasure.identity["subject"] == done.pseudonym == rows["customer_id"][0]
    assert [parent.identity["sha256"] for _, parent in ledger.log.parents(erasure.id)] == [raw[0]]
    assert list(check_effects(ledger)) == []


def test_a_file_that_is_still_there_is_not_landed_again_after_an_erasure(ledger: Ledger, deliver: Deliver):
    deliver("2024-01-05", ROWS)
    before = land(ledger, "transactions").batches
    erase(ledger, "customer_id=card-anna", person="dana", reason="request 7")
    report = land(ledger, "transactions")
    assert (report.batches, report.new, report.left) == (before, (), ())


@pytest.mark.parametrize("rows", ["t7,card-anna\n", ",,,,\n", None])
def test_a_new_file_in_which_anybody_may_be_cannot_be_opened_once_somebody_was_erased(
    ledger: Ledger, deliver: Deliver, rows: str | None
):
    deliver("2024-01-05", ROWS)
    land(ledger, "transactions")
    erase(ledger, "customer_id=card-anna", person="dana", reason="request 7")
    path = deliver("2024-01-06", rows or "")
    if rows is None:
        path.write_text("a file without a header,card-anna\n")
    land(ledger, "transactions")
    people = personal_data(ledger.log, ledger.settings)
    with ledger.log.transaction() as transaction:
        assert people.file_key(transaction, people.fingerprint(sha256_file(path))) is None


def test_a_changed_mapping_lands_the_others_of_a_file_again_and_keeps_it_closed(
    ledger: Ledger, deliver: Deliver, data: Path, landed_rows: Landed
):
    delivered = deliver("2024-01-05", ROWS)
    land(ledger, "transactions")
    erase(ledger, "customer_id=card-anna", person="dana", reason="request 7")
    path = data / "ledgerline.yaml"
    path.write_text(path.read_text().replace("EUR", "CHF"))
    (batch,) = land(ledger, "transactions").new
    assert landed_rows(batch).select("transaction_id", "currency").rows() == [("t2", "CHF")]
    people, raw = personal_data(ledger.log, ledger.settings), ledger.log.get(batch).identity["raw"]
    with ledger.log.transaction() as transaction:
        assert people.file_key(transaction, people.fingerprint(sha256_file(delivered))) is None
    assert land(ledger, "transactions").new == ()
    assert raw in ledger.objects
    assert not [kept for kept in everything_kept(ledger) if b"card-anna" in kept]


@pytest.mark.parametrize("now", ["", "    personal: {subject: terminal_id}", "    personal: {subject: customer_id}"])
def test_what_was_personal_does_not_land_in_clear_because_the_mapping_is_silent(
    ledger: Ledger, deliver: Deliver, data: Path, now: str
):
    deliver("2024-01-05", ROWS)
    land(ledger, "transactions")
    erase(ledger, "customer_id=card-anna", person="dana", reason="request 7")
    path = data / "ledgerline.yaml"
    path.write_text(path.read_text().replace(PERSONAL.strip("\n"), now))
    with pytest.raises(NoLongerPersonal, match=r"_id landed as personal data before"):
        land(ledger, "transactions")
    assert not [kept for kept in everything_kept(ledger) if b"card-anna" in kept]


def test_new_rows_of_an_erased_person_are_withheld_and_counted_and_their_file_is_closed(
    ledger: Ledger, deliver: Deliver, landed_rows: Landed, unreadable: Unreadable
):
    deliver("2024-01-05", ROWS)
    land(ledger, "transactions")
    erase(ledger, "customer_id=card-anna", person="dana", reason="request 7")
    more = ROWS + "t4,card-carl,shop-north,1.00,2024-01-06T10:00:00Z\n"
    path = deliver("2024-01-06", more)
    (batch,) = land(ledger, "transactions").new
    data = personal_data(ledger.log, ledger.settings)
    with ledger.log.transaction() as transaction:
        assert data.file_key(transaction, data.fingerprint(sha256_file(path))) is None
    assert landed_rows(batch)["transaction_id"].to_list() == ["t2", "t4"]
    assert unreadable(batch) == [
        (1, "customer_id", None, "subject_erased"),
        (3, "customer_id", None, "subject_erased"),
    ]


def test_an_erasure_takes_every_file_in_which_the_person_may_be(ledger: Ledger, deliver: Deliver):
    deliver("2024-01-05", "t1,card-anna,shop-north,0.29,2024-01-05T10:00:00Z\n")
    broken = deliver("2024-01-06", "t2,card-bela,shop-north,1.00,2024-01-06T10:00:00Z\nt3,card-anna\n")
    land(ledger, "transactions")
    erase(ledger, "customer_id=card-anna", person="dana", reason="request 7")
    data = personal_data(ledger.log, ledger.settings)
    with ledger.log.transaction() as transaction:
        assert data.file_key(transaction, data.fingerprint(sha256_file(broken))) is None


def test_a_file_that_another_dataset_reads_too_is_sealed_for_both(ledger: Ledger, deliver: Deliver, data: Path):
    path = data / "ledgerline.yaml"
    path.write_text(path.read_text() + LABELS)
    deliver("2024-01-05", ROWS)
    land(ledger, "fraud_labels")
    land(ledger, "transactions")
    assert len(ledger.log.leaves(Kind.RAW_FILE)) == 1
    assert not [kept for kept in everything_kept(ledger) if b"card-anna" in kept]
    assert len(erase(ledger, "customer_id=card-anna", person="dana", reason="request 7").files) == 1


def test_lines_that_another_dataset_cannot_read_are_withheld_there_too(
    ledger: Ledger, deliver: Deliver, data: Path, unreadable: Unreadable
):
    path = data / "ledgerline.yaml"
    path.write_text(path.read_text() + LABELS)
    deliver("2024-01-05", ROWS + "t4,card-anna\n")
    (batch,) = land(ledger, "fraud_labels").batches
    assert unreadable(batch) == [(4, None, "(withheld: it may say who somebody is)", "wrong_field_count")]


@pytest.mark.parametrize("order", [("transactions", "applications"), ("applications", "transactions")])
def test_a_file_whose_rows_one_of_two_datasets_could_not_read_is_taken_by_every_erasure(
    ledger: Ledger, deliver: Deliver, data: Path, order: tuple[str, str]
):
    path = data / "ledgerline.yaml"
    path.write_text(path.read_text() + APPLICATIONS)
    shared = deliver("2024-01-05", "t1,card-anna,shop-north,0.29,2024-01-05T10:00:00Z\nt2,card-bela,shop,much,\n")
    for dataset in order:
        land(ledger, dataset)
    deliver("2024-01-06", "t9,card-carl,shop-north,1.00,2024-01-06T10:00:00Z\n")
    land(ledger, "transactions")
    erase(ledger, "customer_id=card-carl", person="dana", reason="request 7")
    people = personal_data(ledger.log, ledger.settings)
    with ledger.log.transaction() as transaction:
        assert people.file_key(transaction, people.fingerprint(sha256_file(shared))) is None


def test_killed_after_any_effect_it_ends_in_the_rows_of_a_landing_that_was_not(
    ledger: Ledger, deliver: Deliver, landed_rows: Landed, monkeypatch: pytest.MonkeyPatch
):
    deliver("2024-01-05", ROWS)
    for victim in ("record_raw", "record_batch"):
        with monkeypatch.context() as patched:
            patched.setattr(f"pipelines.ingestion.landing_evidence.LandingEvidence.{victim}", _killed)
            with pytest.raises(KeyboardInterrupt):
                land(ledger, "transactions")
    (batch,) = land(ledger, "transactions").batches
    assert landed_rows(batch)["customer_id"].n_unique() == 2
    with ledger.log.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(SUBJECT)).scalar_one() == 2
        assert connection.execute(sa.select(SEALED_FILE.c.is_told)).scalars().all() == [True]


@pytest.mark.parametrize("what_comes_next", ["a landing with nothing new", "an erasure"])
def test_what_a_killed_landing_had_taken_in_goes_with_whatever_comes_next(
    ledger: Ledger, deliver: Deliver, monkeypatch: pytest.MonkeyPatch, what_comes_next: str
):
    deliver("2024-01-05", ROWS)
    land(ledger, "transactions")
    left = ledger.settings.home / "incoming" / "of-a-process-that-is-gone" / "raw"
    left.parent.mkdir()
    left.write_text(ROWS)
    if what_comes_next == "an erasure":
        monkeypatch.setenv("LEDGERLINE_HOME", str(ledger.settings.home))
        said = ["audit", "erase", "customer_id=card-anna", "--as", "dana", "--reason", "request 7", "--yes"]
        assert CliRunner().invoke(app, said).exit_code == 0
    else:
        assert land(ledger, "transactions").new == ()
    assert not left.exists()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("{subject: amount_minor}", "'amount_minor' is no text column of transactions"),
        ("{subject: currency}", "'currency' is filled from no column of the files"),
        ("{subject: customer_id, columns: [customer_id]}", "a column is named twice"),
        ("{columns: [customer_id]}", "subject: Field required"),
    ],
)
def test_a_declaration_that_cannot_hold_is_refused_by_name(data: Path, said: str, problem: str):
    path = data / "ledgerline.yaml"
    path.write_text(path.read_text().split("    personal:")[0] + f"    personal: {said}\n")
    with pytest.raises(LedgerlineError, match="the mapping cannot be used") as refused:
        load_mapping(path)
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("instead_of", "said", "problem"),
    [
        ("transaction_id: id", "transaction_id: card", "transactions: 'transaction_id' is filled from 'card'"),
        ("transaction_id: id", "transaction_id: {template: '{card}-{row_number}'}", "'transaction_id' is filled from"),
        ("customer_id: card", "customer_id: {template: '{date}{card}'}", "'customer_id' is filled from names of files"),
        (
            "transaction_id: id\n      is_fraud",
            "transaction_id: card\n      is_fraud",
            "fraud_labels: 'transaction_id'",
        ),
    ],
)
def test_a_column_that_would_be_kept_in_clear_beside_its_pseudonym_is_refused(
    data: Path, instead_of: str, said: str, problem: str
):
    path = data / "ledgerline.yaml"
    path.write_text((path.read_text() + LABELS).replace(instead_of, said))
    with pytest.raises(LedgerlineError, match="the mapping cannot be used") as refused:
        load_mapping(path)
    assert problem in str(refused.value)


def test_feeds_of_one_dataset_must_agree_on_who_is_a_person(data: Path):
    path = data / "ledgerline.yaml"
    mapped = yaml.safe_load(path.read_text())
    feed = mapped["datasets"]["transactions"]
    silent = {**feed, "files": "other/*_{date}.csv"}
    del silent["personal"]
    mapped["datasets"]["transactions"] = [feed, silent]
    path.write_text(yaml.safe_dump(mapped))
    with pytest.raises(LedgerlineError, match="every feed of a dataset must say the same"):
        load_mapping(path)


@pytest.mark.parametrize("broken", ["t1,card-anna,shop-north,0.29,2024-01-05T10:00:00Z\n", '"card-anna",id\n'])
def test_why_a_file_is_refused_is_said_without_what_is_in_it(ledger: Ledger, data: Path, broken: str):
    (data / "payments/acme_2024-01-05.csv").write_text(broken)
    told: list[str] = []
    assert land(ledger, "transactions", progress=told.append).refused
    assert not [kept for kept in (*everything_kept(ledger), *map(str.encode, told)) if b"card-anna" in kept]
