"""Erasing a person: the key goes, the log stays, and whoever asks is told."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog, Kind, Leaf, Ledger
from ledgerline.audit.erasure import (
    AlreadyErased,
    Erasure,
    UnknownSubject,
    erasable,
    erase,
    known_person,
    unfinished_erasures,
)
from ledgerline.audit.graph import EDGES
from ledgerline.audit.personal import SEALED_FILE, SUBJECT, PersonalData, personal_data
from ledgerline.audit.sealing import PersonalKeyRefused
from ledgerline.audit.verify import check_log
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import Settings
from ledgerline.core.storage import ObjectStore

WHY = {"person": "dana", "reason": "request 7"}


@pytest.fixture
def ledger(url: str, tmp_path: Path, log: EvidenceLog, clock: FixedClock) -> Ledger:
    return Ledger(Settings(home=tmp_path / "home", database=url), clock, log, ObjectStore(tmp_path / "objects"))


@pytest.fixture
def data(ledger: Ledger) -> PersonalData:
    return personal_data(ledger.log, ledger.settings)


@pytest.fixture
def enter(ledger: Ledger, data: PersonalData) -> Callable[..., str]:
    """Enter a card's owner, in sealed files that are on record; return the pseudonym."""

    def entered(card: str, *files: str, told: bool = True) -> str:
        with ledger.log.transaction() as transaction:
            pseudonym = data.subjects(transaction, "customer_id", [card])[card].pseudonym
            for file in files:
                fingerprint = data.fingerprint(file)
                data.file_key(transaction, fingerprint)
                data.enter_in_file(transaction, fingerprint, [pseudonym])
                if told:
                    data.all_told(transaction, fingerprint)
                leaf = Leaf(Kind.RAW_FILE, {"sha256": f"sealed {file}"}, {"path": file, "fingerprint": fingerprint})
                ledger.log.record(transaction, leaf)
        return pseudonym

    return entered


def test_the_key_goes_with_those_of_the_files_and_an_entry_says_so(ledger: Ledger, enter: Callable[..., str]):
    anna, bela = enter("anna", "monday", "tuesday"), enter("bela", "tuesday", "friday")
    done = erase(ledger, "customer_id=anna", **WHY)
    assert (done.pseudonym, done.files) == (anna, ("sealed monday", "sealed tuesday"))
    with ledger.log.reading() as connection:
        subjects = dict(connection.execute(sa.select(SUBJECT.c.pseudonym, SUBJECT.c.key)).all())
        keys = connection.execute(sa.select(SEALED_FILE.c.key).where(SEALED_FILE.c.key.is_not(None))).all()
    assert subjects[anna] is None
    assert subjects[bela] is not None
    assert len(keys) == 1
    leaf = ledger.log.get(str(done.leaf))
    assert leaf.detail == {"erased_by": "dana", "reason": "request 7", "erased_at": "2018-10-01T00:00:00.000000Z"}
    assert check_log(ledger.log, grammar=EDGES).findings == ()


def test_what_it_would_destroy_is_told_before_and_nothing_is_done(ledger: Ledger, enter: Callable[..., str]):
    anna = enter("anna", "monday")
    assert erasable(ledger, "customer_id=anna") == Erasure(anna, ("sealed monday",))
    assert erasable(ledger, anna) == Erasure(anna, ("sealed monday",))
    assert known_person(ledger, anna).identifier == "anna"
    assert ledger.log.leaves(Kind.ERASURE) == []


def test_a_person_stays_erased_and_is_told_from_one_who_never_was(ledger: Ledger, enter: Callable[..., str]):
    anna = enter("anna")
    erase(ledger, anna, **WHY)
    assert enter("anna") == anna
    found = known_person(ledger, "customer_id=anna")
    assert (found.pseudonym, found.identifier, found.erased_by) == (anna, "", "dana")
    with pytest.raises(AlreadyErased, match="nothing about them can be read"):
        erase(ledger, "customer_id=anna", **WHY)
    for name in ("customer_id=carl", "application_id=anna", "anna"):
        with pytest.raises(UnknownSubject, match="nobody here is called"):
            erase(ledger, name, **WHY)


def test_neither_the_database_nor_its_journal_holds_the_key_afterwards(ledger: Ledger, enter: Callable[..., str]):
    anna = enter("anna")
    with ledger.log.reading() as connection:
        row = connection.execute(sa.select(SUBJECT.c.key, SUBJECT.c.named)).one()
        is_sqlite = connection.dialect.name == "sqlite"
    assert bytes(row.key) in stored(ledger, is_sqlite=is_sqlite)
    erase(ledger, anna, **WHY)
    left = stored(ledger, is_sqlite=is_sqlite)
    assert bytes(row.key) not in left
    assert bytes(row.named) not in left


def test_who_reads_meanwhile_is_not_waited_for_long_and_it_is_said_that_the_key_is_still_there(
    ledger: Ledger, enter: Callable[..., str]
):
    anna, bela = enter("anna"), enter("bela")
    with ledger.log.reading() as connection:
        key = connection.execute(sa.select(SUBJECT.c.key).where(SUBJECT.c.pseudonym == anna)).scalar_one()
        is_sqlite = connection.dialect.name == "sqlite"
        with ThreadPoolExecutor(1) as beside:
            erasing = beside.submit(erase, ledger, anna, **WHY)
            for number in range(20):
                enter(f"card-{number}")  # nobody who writes waits for the reader
            done = erasing.result(timeout=30)
    assert not done.is_rewritten
    with pytest.raises(AlreadyErased):
        erase(ledger, anna, **WHY)
    assert bytes(key) not in stored(ledger, is_sqlite=is_sqlite)
    assert erase(ledger, bela, **WHY).is_rewritten


def stored(ledger: Ledger, *, is_sqlite: bool) -> bytes:
    """Return what the database's files hold of the table of persons."""
    if is_sqlite:
        folder = Path(str(sa.make_url(ledger.log.url).database)).parent
        return b"".join(path.read_bytes() for path in folder.glob("evidence.db*"))
    with ledger.log.transaction() as transaction:
        transaction.exec_driver_sql("CHECKPOINT")
        path = transaction.exec_driver_sql("SELECT pg_relation_filepath('subject')").scalar_one()
        content = transaction.exec_driver_sql("SELECT pg_read_binary_file(%s)", (path,)).scalar_one()
    return bytes(content)


def test_a_key_brought_back_from_a_backup_is_found(ledger: Ledger, enter: Callable[..., str]):
    anna = enter("anna")
    with ledger.log.reading() as connection:
        key = connection.execute(sa.select(SUBJECT.c.key)).scalar_one()
    erase(ledger, anna, **WHY)
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(SUBJECT).values(key=key))
    with ledger.log.reading() as connection:
        ((_, problem),) = unfinished_erasures(connection)
    assert problem == f"{anna} was erased, and the key is there: restored from a backup?"


def test_a_key_that_went_without_an_erasure_is_found(ledger: Ledger, enter: Callable[..., str]):
    anna = enter("anna")
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(SUBJECT).values(key=None))
    with ledger.log.reading() as connection:
        ((_, problem),) = unfinished_erasures(connection)
    assert problem == f"the key of {anna} was destroyed without an erasure on record"


def test_killed_in_the_middle_it_has_destroyed_nothing(
    ledger: Ledger, enter: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    enter("anna", "monday")

    def killed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(EvidenceLog, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(ledger, "customer_id=anna", **WHY)
    assert known_person(ledger, "customer_id=anna").identifier == "anna"


def test_another_installations_key_opens_nothing_and_says_so(ledger: Ledger, enter: Callable[..., str]):
    anna = enter("anna")
    (ledger.settings.keys_path / "personal.key").unlink()
    with pytest.raises(PersonalKeyRefused, match="bring back the key of this installation"):
        known_person(ledger, anna)


def test_under_another_key_nobody_who_was_erased_comes_back_as_somebody_new(ledger: Ledger, enter: Callable[..., str]):
    erase(ledger, enter("anna"), **WHY)
    (ledger.settings.keys_path / "personal.key").unlink()
    forgetful = personal_data(ledger.log, ledger.settings)
    with (
        ledger.log.transaction() as transaction,
        pytest.raises(PersonalKeyRefused, match="bring back the key of this installation"),
    ):
        forgetful.subjects(transaction, "customer_id", ["anna"])


@pytest.mark.parametrize(
    ("secret", "problem"),
    [("c2hvcnQ=", "holds no key"), ("not base64!", "holds no key"), ("", "holds no key")],
)
def test_a_key_from_the_environment_that_is_none_is_refused(
    ledger: Ledger, enter: Callable[..., str], secret: str, problem: str
):
    enter("anna")
    settings = Settings(home=ledger.settings.home, database=ledger.log.url, personal_key=secret)
    other = Ledger(settings, ledger.clock, ledger.log, ledger.objects)
    with pytest.raises(PersonalKeyRefused, match=problem) as refused:
        known_person(other, "customer_id=anna")
    assert "LEDGERLINE_PERSONAL_KEY" in str(refused.value)


def test_a_key_that_others_can_read_is_refused(ledger: Ledger, enter: Callable[..., str]):
    anna = enter("anna")
    (ledger.settings.keys_path / "personal.key").chmod(0o644)
    with pytest.raises(PersonalKeyRefused, match="chmod 600"):
        known_person(ledger, anna)


def test_who_enters_the_same_persons_at_once_in_another_order_waits_and_finds_them(ledger: Ledger, data: PersonalData):
    cards = [f"card-{number}" for number in range(300)]

    def entered(names: list[str]) -> set[str]:
        with ledger.log.transaction() as transaction:
            found = data.subjects(transaction, "customer_id", names)
        return {subject.pseudonym for subject in found.values()}

    assert data.key
    with ThreadPoolExecutor(2) as both:
        one, other = both.map(entered, (cards, cards[::-1]))
    assert one == other


def test_an_erasure_waits_for_whoever_is_entering_the_person_in_a_file(
    ledger: Ledger, data: PersonalData, enter: Callable[..., str]
):
    pseudonym = enter("card-anna")
    with ThreadPoolExecutor(1) as beside:
        with ledger.log.transaction() as transaction:
            data.file_key(transaction, data.fingerprint("late"))
            data.enter_in_file(transaction, data.fingerprint("late"), [pseudonym])
            data.all_told(transaction, data.fingerprint("late"))
            erasing = beside.submit(erase, ledger, pseudonym, **WHY)
            with pytest.raises(TimeoutError):
                erasing.result(timeout=0.5)
        erasing.result()
    with ledger.log.transaction() as transaction:
        assert data.file_key(transaction, data.fingerprint("late")) is None
