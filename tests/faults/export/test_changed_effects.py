"""What stands beside the log, changed behind its back: rows, files and signatures."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import Finding, Problem, check_log
from ledgerline.core.settings import Settings
from ledgerline.decisions.effects import check_effects, leaf_checks
from ledgerline.decisions.schema import DECISION, DEPLOYMENT, REQUEST_BODY
from ledgerline.decisions.trading.schema import ORDER


@pytest.fixture(scope="module")
def made(line: ModuleType, exported: ModuleType, tmp_path_factory: pytest.TempPathFactory):
    """An installation with a decision and the orders that came of it; nothing is changed in it."""
    installation = exported.installation(line, tmp_path_factory.mktemp("home"))
    exported.order(installation)
    return installation


@pytest.fixture
def ledger(made, tmp_path: Path) -> Ledger:
    """A copy of the installation, to be changed."""
    home = tmp_path / "home"
    shutil.copytree(made.ledger.settings.home, home)
    return Ledger.open(Settings(home=home), made.clock)


def found(ledger: Ledger) -> list[Finding]:
    checked = check_log(ledger.log, checks=leaf_checks(ledger)).findings
    return [*checked, *check_effects(ledger)]


def sequence_of(ledger: Ledger, kind: Kind) -> int:
    leaf = ledger.log.latest(kind)
    assert leaf is not None
    return int(leaf.sequence)


def test_an_honest_installation_holds(ledger: Ledger):
    assert found(ledger) == []


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (sa.update(DECISION).values(answer=b"{}"), Kind.DECISION),
        (sa.update(DECISION).values(vector=b"{}"), Kind.DECISION),
        (sa.update(DECISION).values(event=b"{}"), Kind.DECISION),
        (sa.update(DECISION).values(subject="t2"), Kind.DECISION),
        (sa.update(DECISION).values(decided_at="2018-01-01T00:00:00.000000Z"), Kind.DECISION),
        (sa.update(DECISION).values(deployment="f" * 64), Kind.DECISION),
        (sa.delete(DECISION), Kind.DECISION),
        (sa.update(DEPLOYMENT).values(bundle="f" * 64), Kind.DEPLOYMENT),
        (sa.update(DEPLOYMENT).values(environment="live"), Kind.DEPLOYMENT),
        (sa.delete(DEPLOYMENT), Kind.DEPLOYMENT),
        (sa.update(ORDER).values(quantity="1000000"), Kind.ORDER_INTENT),
        (sa.update(ORDER).values(verdicts=b"[]"), Kind.ORDER_INTENT),
        (sa.delete(ORDER), Kind.ORDER_INTENT),
    ],
    ids=lambda value: str(value).split(" WHERE")[0][:60] if not isinstance(value, Kind) else None,
)
def test_a_changed_or_lost_row_is_named_by_its_entry(ledger: Ledger, statement: sa.Executable, kind: Kind):
    with ledger.log.transaction() as transaction:
        transaction.execute(statement)
    findings = found(ledger)
    assert {finding.problem for finding in findings} == {Problem.EFFECT}
    assert sequence_of(ledger, kind) in {finding.sequence for finding in findings}


def test_a_request_that_is_not_what_was_received_is_named(ledger: Ledger):
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(REQUEST_BODY).values(body=b"other"))
    assert {finding.problem for finding in found(ledger)} == {Problem.EFFECT}


@pytest.mark.parametrize("table", [DECISION, DEPLOYMENT, ORDER], ids=lambda table: table.name)
def test_a_row_without_its_leaf_is_named(ledger: Ledger, table: sa.Table):
    with ledger.log.transaction() as transaction:
        first = transaction.execute(sa.select(table.c.leaf)).scalars().first()
        transaction.execute(sa.update(table).where(table.c.leaf == first).values(leaf="0" * 64))
    assert any("without its leaf" in finding.detail for finding in found(ledger))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("kind", [Kind.RAW_FILE, Kind.MODEL_BUNDLE])
@pytest.mark.parametrize("damage", [flip, lambda path: path.unlink()], ids=["a byte swapped", "gone"])
def test_bytes_that_are_not_what_an_entry_names_are_named_by_it(
    ledger: Ledger, kind: Kind, damage: Callable[[Path], None]
):
    leaf = ledger.log.latest(kind)
    damage(Path(ledger.objects.location(leaf.identity.get("sha256") or leaf.identity["digest"])))
    (finding,) = found(ledger)
    assert (finding.sequence, finding.problem) == (leaf.sequence, Problem.SIGNATURE)


def test_a_signature_that_its_key_did_not_make_is_named(ledger: Ledger, rewrite):
    leaf = ledger.log.latest(Kind.APPROVAL)
    rewrite(ledger.log, leaf.id, "identity", hashed=True, signature="00" * 64)
    assert (leaf.sequence, Problem.SIGNATURE) in [(finding.sequence, finding.problem) for finding in found(ledger)]
