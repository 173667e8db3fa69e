"""Exports: whole or not at all, the same bytes each time, and checked by a program that stands alone."""

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledgerline.audit import Kind, Leaf, UnknownLeaf, verify_export
from ledgerline.audit.export import ExportRefused, Part, export_evidence
from ledgerline.audit.leaf import Kind as KnownKind
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.schema import LEAF
from ledgerline.audit.tree import latest_checkpoint
from ledgerline.audit.verify_export import Entry, Problem
from ledgerline.decisions.schema import DECISION, REQUEST_BODY

_TESTS = Path(__file__).parents[3]


def _loaded(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="module")
def exported() -> ModuleType:
    return _loaded("exported_line", _TESTS / "faults" / "export" / "exported.py")


@pytest.fixture(scope="module")
def made(exported: ModuleType, tmp_path_factory: pytest.TempPathFactory):
    """An installation that nothing is changed in."""
    line = _loaded("promotion_line", _TESTS / "integration" / "promotion" / "line.py")
    return exported.installation(line, tmp_path_factory.mktemp("home"))


@pytest.fixture
def own(exported: ModuleType, made, tmp_path: Path):
    """An installation to be changed."""
    line = _loaded("promotion_line", _TESTS / "integration" / "promotion" / "line.py")
    return exported.installation(line, tmp_path / "home")


def verifier(folder: Path, *arguments: str, elsewhere: Path) -> tuple[int, str]:
    """Run the verifier as an auditor would: a copy of it, from another folder, with nothing of ours to import."""
    program = shutil.copy(folder / "verify_export.py", elsewhere / "verify_export.py")
    command = [sys.executable, "-I", str(program), str(folder), *arguments]
    ran = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False, timeout=120)
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_verifier_imports_the_standard_library_and_cryptography_alone() -> None:
    tree = ast.parse(Path(verify_export.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    rooms = {name.partition(".")[0] for name in imported}
    assert rooms - sys.stdlib_module_names == {"cryptography"}
    assert not rooms & {"socket", "urllib", "http", "subprocess", "importlib"}


def test_the_verifier_knows_every_kind_of_entry() -> None:
    assert {kind.value for kind in KnownKind} == verify_export.KINDS


def test_the_verifier_finds_every_id_without_canonical_json(made) -> None:
    with made.ledger.log.reading() as connection:
        rows = connection.execute(sa.select(LEAF.c.sequence, LEAF.c.id, LEAF.c.entry)).all()
    assert [Entry.parse(row.sequence, row.entry).stands_for for row in rows] == [row.id for row in rows]


@pytest.mark.parametrize(
    "identity",
    [{"é\n\x1f\u2028": '\\"/'}, {"n": 1e-7, "m": 1e21, "k": -0.0}, {"a": {"b": [None, True, []]}, "A": ""}, {}],
    ids=["text", "numbers", "nested", "empty"],
)
def test_an_id_is_cut_out_of_an_entry_however_it_is_spelt(tmp_path: Path, made, identity: dict[str, Any]) -> None:
    from ledgerline.audit.entry import encode_entry

    leaf = Leaf(Kind.REQUEST, identity, {"identity": {"x": '"identity":{'}})
    entry = Entry.parse(1, encode_entry(leaf, (), "2018-10-01T00:00:00.000000Z")[1])
    assert entry.stands_for == leaf.id


def test_an_auditor_checks_an_export_alone(exported: ModuleType, made, tmp_path: Path) -> None:
    folder = made.export(tmp_path / "export")
    keys = ("--log-key", made.log.key.text, "--witness-key", made.witness_key.key.text)
    status, told = verifier(folder, *keys, elsewhere=tmp_path)
    assert (status, told.splitlines()[0]) == (0, "THE EXPORT HOLDS.")
    assert "BELIEVED FROM THE FOLDER" not in told
    for said in (made.decision, "approved by bob as validator", "trained by ada", "raw file transactions.parquet"):
        assert said in told


def test_without_keys_it_says_whose_word_it_took(made, tmp_path: Path) -> None:
    status, told = verifier(made.export(tmp_path / "export"), elsewhere=tmp_path)
    assert (status, told.count("BELIEVED FROM THE FOLDER")) == (0, 2)


def test_what_does_not_hold_is_the_exit_status_and_the_first_line(made, tmp_path: Path) -> None:
    folder = made.export(tmp_path / "export")
    (folder / "checkpoint.txt").unlink()
    status, told = verifier(folder, elsewhere=tmp_path)
    assert status == 1
    assert told.startswith("THE EXPORT DOES NOT HOLD")
    assert "checkpoint.txt: file_missing" in told.splitlines()[0]
    status, told = verifier(folder, "--json", elsewhere=tmp_path)
    report = json.loads(told)
    assert (status, report["holds"], report["findings"][0]["problem"]) == (1, False, "file_missing")


def test_a_terminal_is_not_commanded_by_what_an_export_says(exported: ModuleType, made, tmp_path: Path) -> None:
    folder = made.export(tmp_path / "export")

    def command(entries: list[dict[str, Any]]) -> None:
        entries[0]["detail"]["path"] = "\x1b[2Jholds"

    exported.forge(made, folder, command, log=made.log, witness=made.witness_key)
    status, told = verifier(folder, elsewhere=tmp_path)
    assert (status, "\x1b" in told, "?[2Jholds" in told) == (0, False, True)


def test_the_same_export_is_the_same_bytes(made, tmp_path: Path) -> None:
    first, second = made.export(tmp_path / "first"), made.export(tmp_path / "deep" / "second")
    assert contents(first) == contents(second)


def test_it_is_still_the_same_bytes_when_the_log_has_grown(exported: ModuleType, own, tmp_path: Path) -> None:
    before = contents(own.export(tmp_path / "before"))
    own.ledger.log.append(Leaf(Kind.SIGNING_KEY, {"name": "bob", "public_key": "ab" * 32}))
    own.clock.instant += timedelta(minutes=1)
    own.look()
    assert contents(own.export(tmp_path / "after")) == before


def test_an_export_never_overwrites(made, tmp_path: Path) -> None:
    for taken in (tmp_path / "file", tmp_path / "folder"):
        taken.mkdir() if taken.name == "folder" else taken.write_text("mine")
        with pytest.raises(ExportRefused, match="never overwrites"):
            made.export(taken)
    assert (tmp_path / "file").read_text() == "mine"
    assert list((tmp_path / "folder").iterdir()) == []


def test_an_export_that_fails_leaves_nothing_behind(made, tmp_path: Path) -> None:
    def fails_late(leaf: Any) -> list[Part]:
        if leaf.kind is Kind.DECISION:
            raise KeyboardInterrupt
        return []

    with pytest.raises(KeyboardInterrupt):
        export_evidence(made.ledger, [made.decision], tmp_path / "out" / "export", parts=fails_late)
    assert list((tmp_path / "out").iterdir()) == []


def test_parts_cannot_lie_outside(made, tmp_path: Path) -> None:
    def outside(_leaf: Any) -> list[Part]:
        return [Part("../escaped", "0" * 64, b"")]

    with pytest.raises(ExportRefused):
        export_evidence(made.ledger, [made.decision], tmp_path / "out" / "export", parts=outside)
    assert not (tmp_path / "out" / "escaped").exists()


def test_raw_files_and_rows_are_left_out_when_asked_and_it_says_so(exported: ModuleType, made, tmp_path: Path) -> None:
    folder = made.export(tmp_path / "export", without_raw=True)
    assert not (folder / "raw").exists()
    assert not (folder / "data").exists()
    assert len(json.loads((folder / "manifest.json").read_bytes())["left_out"]) == 3
    assert "LEFT OUT: 3" in (folder / "README.txt").read_text()
    report = verify_export.verify(folder)
    assert (report.holds, report.checked["data files left out"]) == (True, 3)
    assert any("3 data files were left out" in note for note in report.notes)


def test_several_things_are_exported_together_by_any_of_their_names(exported: ModuleType, made, tmp_path: Path) -> None:
    folder = made.export(tmp_path / "export", "fraud@1", made.decision[:8], "transactions.parquet", made.digest)
    assert exported.found(folder, made) == []
    starts = json.loads((folder / "manifest.json").read_bytes())["starts"]
    assert [start["kind"] for start in starts] == ["model_bundle", "decision", "raw_file", "model_bundle"]
    with pytest.raises(UnknownLeaf):
        made.export(tmp_path / "nothing", "nobody@9")
    assert not (tmp_path / "nothing").exists()


def test_a_raw_file_alone_is_an_export(exported: ModuleType, made, tmp_path: Path) -> None:
    folder = made.export(tmp_path / "export", "transactions.parquet")
    assert exported.found(folder, made) == []
    assert len(list((folder / "entries").iterdir())) == 1


def test_an_order_is_exported_with_what_was_to_be_sent(exported: ModuleType, own, tmp_path: Path) -> None:
    name = exported.order(own)
    own.look()
    denied = next(leaf for leaf in own.ledger.log.leaves(Kind.ORDER_INTENT) if leaf.identity["symbol"] == "MSFT")
    folder = own.export(tmp_path / "export", name, denied.id)
    assert exported.found(folder, own) == []
    assert [path.read_bytes() for path in folder.glob("orders/*/body")] == [b"buy AAPL"]
    assert b'{"equity": "100000"}' in [path.read_bytes() for path in (folder / "requests").iterdir()]
    shutil.rmtree(folder / "orders")
    exported.list_again(folder)
    assert exported.found(folder, own) == [(f"orders/{name}/body", Problem.FILE_MISSING)]


def test_a_key_that_was_replaced_before_an_approval_comes_along(exported: ModuleType, own, tmp_path: Path) -> None:
    line = sys.modules["promotion_line"]
    from pipelines.promotion import approve, create_key

    digest = line.train(own.ledger, trees=5, version=2)
    line.pass_gates(own.ledger, digest)
    create_key(own.ledger, exported.APPROVER, passphrase=line.PASSPHRASE, replace=True)
    approval = approve(own.ledger, digest, approver=exported.APPROVER, role="validator", passphrase=line.PASSPHRASE)
    own.look()
    folder = own.export(tmp_path / "export", approval)
    kinds = [json.loads(path.read_bytes())["kind"] for path in sorted((folder / "entries").iterdir())]
    assert (kinds.count("signing_key"), exported.found(folder, own)) == (2, [])


def test_nothing_is_exported_that_the_log_has_not_signed_for(own, tmp_path: Path) -> None:
    own.ledger.log.append(Leaf(Kind.REQUEST, {"sha256": "ab" * 32}))
    with pytest.raises(ExportRefused, match="signed no checkpoint with entry 17"):
        own.export(tmp_path / "export", "ab" * 32)
    raw = own.ledger.objects.put(b"fresh")
    own.ledger.log.append(Leaf(Kind.RAW_FILE, {"sha256": raw}, {"path": "fresh.csv"}))
    folder = own.export(tmp_path / "export", "fresh.csv", signer=own.log)
    newest = latest_checkpoint(own.ledger.log, own.log.key)
    assert newest is not None
    assert (folder / "checkpoint.txt").read_text() == str(newest.note)
    report = verify_export.verify(folder)
    assert (report.holds, "NO WITNESS" in report.notes[0]) == (True, True)
    told = verify_export.verify(folder, witness_keys=[verify_export.Key.parse(own.witness_key.key.text)])
    assert [(each.where, each.problem) for each in told.findings] == [("entry 18", Problem.UNWITNESSED)]


def test_an_export_without_the_logs_key_says_so(exported: ModuleType, own, tmp_path: Path) -> None:
    (own.ledger.settings.keys_path / "log.vkey").unlink()
    folder = own.export(tmp_path / "export")
    assert not (folder / "keys/log.vkey").exists()
    assert "NOT IN HERE" in (folder / "README.txt").read_text()
    assert exported.found(folder) == [("keys/log.vkey", Problem.LOG_KEY)]
    assert exported.found(folder, own) == []


def test_a_log_without_a_witness_is_exported_and_says_so(exported: ModuleType, own, tmp_path: Path) -> None:
    shutil.rmtree(own.ledger.settings.witness_path)
    folder = own.export(tmp_path / "export")
    assert "NONE: no witness" in (folder / "README.txt").read_text()
    report = verify_export.verify(folder)
    assert (report.holds, "NO WITNESS" in report.notes[0]) == (True, True)
    assert exported.problems(folder, own) == {Problem.UNWITNESSED}


def test_a_changed_entry_is_not_exported(own, rewrite, tmp_path: Path) -> None:
    leaf = own.ledger.log.latest(Kind.DEPLOYMENT)
    rewrite(own.ledger.log, leaf.id, "detail", deployed_by="nobody")
    with pytest.raises(ExportRefused, match="entry 14"):
        own.export(tmp_path / "export")
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


def test_changed_or_missing_bytes_are_not_exported(own, tmp_path: Path) -> None:
    with own.ledger.log.transaction() as transaction:
        transaction.execute(sa.update(DECISION).values(answer=b"{}"))
    with pytest.raises(ExportRefused, match="answer"):
        own.export(tmp_path / "export")
    with own.ledger.log.transaction() as transaction:
        transaction.execute(sa.delete(REQUEST_BODY))
    with pytest.raises(ExportRefused, match="requests/"):
        own.export(tmp_path / "export")
    raw = own.ledger.log.leaves(Kind.RAW_FILE)[0].identity["sha256"]
    Path(own.ledger.objects.location(raw)).unlink()
    with pytest.raises(ExportRefused, match="--without-raw"):
        own.export(tmp_path / "export", "fraud@1")
    assert own.export(tmp_path / "export", "fraud@1", without_raw=True).exists()


def test_a_checkpoint_of_another_log_is_refused(own, tmp_path: Path) -> None:
    stranger = NoteSigner.of("ledgerline.log/other", Ed25519PrivateKey.generate())
    (own.ledger.settings.keys_path / "log.vkey").write_text(f"{stranger.key.text}\n")
    with pytest.raises(Exception, match="is not signed by"):
        own.export(tmp_path / "export")
