"""Whatever is done to an export is found and named, by how much of it was done anew to fit."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledgerline.audit import Kind
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.verify_export import Problem, manifest_bytes
from ledgerline.core.clock import instant_text, parse_instant
from ledgerline.core.identity import sha256_bytes
from ledgerline.decisions.approval import Statement
from pipelines.promotion.keys import open_key

Entries = list[dict[str, Any]]
UNVOUCHED = {"README.txt", "verify_export.py"}
"""What no key vouches for: to be taken from elsewhere, as the text says."""


def flip(path: Path, position: int) -> bytes:
    """Flip a bit of one byte and return the bytes of before."""
    before = path.read_bytes()
    at = position % len(before)
    path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
    return before


def unchanged(_entries: Entries) -> None:
    """Leave the log as it is."""


def other_key(name: str, *, cosigns: bool = False) -> NoteSigner:
    return NoteSigner.of(name, Ed25519PrivateKey.generate(), cosigns=cosigns)


def test_the_honest_export_holds(folder: Path, exported: ModuleType, made) -> None:
    assert exported.found(folder) == exported.found(folder, made) == []


def test_the_honest_log_sealed_anew_holds(folder: Path, exported: ModuleType, made) -> None:
    exported.forge(made, folder, unchanged, log=made.log, witness=made.witness_key)
    assert exported.found(folder, made) == []


# -- without doing anything anew


@pytest.mark.parametrize("position", [0, 1_000_003, -1], ids=["first", "middle", "last"])
def test_a_flipped_bit_in_any_file_is_named(folder: Path, exported: ModuleType, position: int) -> None:
    for name in set(exported.files_of(folder)) - {"manifest.json"}:
        before = flip(folder / name, position)
        assert exported.found(folder)[0] == (name, Problem.FILE_CHANGED)
        (folder / name).write_bytes(before)
    assert exported.found(folder) == []


def test_every_bit_of_the_manifest_counts(folder: Path, exported: ModuleType) -> None:
    path = folder / "manifest.json"
    for position in range(0, path.stat().st_size, 17):
        before = flip(path, position)
        assert exported.found(folder), position
        path.write_bytes(before)


def test_any_file_that_is_gone_is_named(folder: Path, exported: ModuleType) -> None:
    for name in exported.files_of(folder):
        before = (folder / name).read_bytes()
        (folder / name).unlink()
        problem = Problem.MANIFEST if name == "manifest.json" else Problem.FILE_MISSING
        assert exported.found(folder)[0] == (name, problem)
        (folder / name).write_bytes(before)


def test_a_file_that_nobody_listed_is_named(folder: Path, exported: ModuleType) -> None:
    (folder / "raw/extra").write_bytes(b"x")
    assert exported.found(folder)[0] == ("raw/extra", Problem.FILE_UNEXPECTED)


def test_a_link_is_never_followed(folder: Path, exported: ModuleType, tmp_path: Path) -> None:
    raw = next((folder / "raw").iterdir())
    shutil.move(raw, tmp_path / "elsewhere")
    raw.symlink_to(tmp_path / "elsewhere")
    name = raw.relative_to(folder).as_posix()
    assert {(name, Problem.FILE_UNEXPECTED), (name, Problem.FILE_MISSING)} <= set(exported.found(folder))


def test_two_entries_that_changed_places_are_named(folder: Path, exported: ModuleType) -> None:
    first, second = folder / "entries/0000000001.json", folder / "entries/0000000004.json"
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])
    exported.list_again(folder)
    assert exported.found(folder)[:2] == [("entry 1", Problem.UNPROVEN), ("entry 4", Problem.UNPROVEN)]


# -- with a manifest made anew


@pytest.mark.parametrize("position", [0, 1_000_003, -1], ids=["first", "middle", "last"])
def test_a_flipped_bit_is_found_though_the_manifest_fits(folder: Path, exported: ModuleType, position: int) -> None:
    for name in set(exported.files_of(folder)) - UNVOUCHED - {"manifest.json"}:
        before = flip(folder / name, position)
        exported.list_again(folder)
        assert exported.found(folder), name
        (folder / name).write_bytes(before)


def test_every_bit_of_entries_proofs_checkpoints_and_keys_counts(folder: Path, exported: ModuleType) -> None:
    names = ["entries/0000000013.json", "proofs.json", "checkpoint.txt", "keys/log.vkey", "keys/witness.vkey"]
    names += [f"witness/{path.name}" for path in (folder / "witness").iterdir()]
    for name in names:
        for position in range(0, (folder / name).stat().st_size, 23):
            before = flip(folder / name, position)
            exported.list_again(folder)
            assert exported.found(folder), (name, position)
            (folder / name).write_bytes(before)


def test_a_file_that_is_gone_is_found_though_the_manifest_fits(folder: Path, exported: ModuleType) -> None:
    for name in set(exported.files_of(folder)) - {"manifest.json"}:
        before = (folder / name).read_bytes()
        (folder / name).unlink()
        exported.list_again(folder)
        assert exported.found(folder), name
        (folder / name).write_bytes(before)


def test_a_file_that_no_entry_speaks_of_is_named(folder: Path, exported: ModuleType) -> None:
    (folder / "decisions/other").mkdir()
    (folder / "decisions/other/answer.json").write_bytes(b"{}")
    exported.list_again(folder)
    assert exported.found(folder) == [("decisions/other/answer.json", Problem.FILE_UNEXPECTED)]


def test_a_raw_file_is_not_left_out_behind_the_readers_back(folder: Path, exported: ModuleType) -> None:
    raw = next((folder / "raw").iterdir())
    raw.unlink()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["left_out"] = {f"raw/{raw.name}": raw.name}
    (folder / "manifest.json").write_bytes(manifest_bytes(manifest))
    exported.list_again(folder)
    assert exported.problems(folder) == {Problem.MANIFEST}


@pytest.mark.parametrize(
    ("path", "problem"),
    [("bundles/*/model.ubj", Problem.BUNDLE), ("decisions/*/answer.json", Problem.BYTES), ("raw/*", Problem.BYTES)],
)
def test_bytes_of_others_are_named(folder: Path, exported: ModuleType, path: str, problem: Problem) -> None:
    found = next(folder.glob(path))
    found.write_bytes(b"{L something else")
    exported.list_again(folder)
    name = found.relative_to(folder).as_posix()
    assert (name, Problem.BYTES) in exported.found(folder)
    assert problem in exported.problems(folder)


def test_an_answer_in_another_decisions_place_is_named(folder: Path, exported: ModuleType) -> None:
    answer, event = (next(folder.glob(f"decisions/*/{name}.json")) for name in ("answer", "event"))
    answer.write_bytes(event.read_bytes())
    exported.list_again(folder)
    assert exported.problems(folder) == {Problem.BYTES}


# -- with ids made anew, without the log's key


def test_an_approval_signature_replaced_is_not_in_the_log(folder: Path, exported: ModuleType, made) -> None:
    def replace(entries: Entries) -> None:
        exported.of_kind(entries, Kind.APPROVAL)["identity"]["signature"] = "00" * 64

    exported.forge(made, folder, replace)
    found = exported.found(folder)
    assert found[0] == ("entry 13", Problem.UNPROVEN)
    assert ("entry 13", Problem.SIGNATURE) in found


def test_a_detail_that_no_id_covers_is_not_in_the_log_when_changed(folder: Path, exported: ModuleType, made) -> None:
    def change(entries: Entries) -> None:
        exported.of_kind(entries, Kind.DEPLOYMENT)["detail"]["deployed_by"] = "nobody"

    exported.forge(made, folder, change)
    assert exported.found(folder) == [("entry 14", Problem.UNPROVEN)]


def test_a_checkpoint_signed_by_another_key_is_named(folder: Path, exported: ModuleType, made) -> None:
    exported.forge(made, folder, unchanged, log=other_key(made.log.key.name))
    assert Problem.LOG_KEY in exported.problems(folder)  # the log's name holds the beginning of its key
    assert tuple(exported.found(folder, made)[:2]) == (
        ("keys/log.vkey", Problem.LOG_KEY),
        ("checkpoint.txt", Problem.LOG_SIGNATURE),
    )


def test_only_keys_from_elsewhere_tell_a_log_that_somebody_made_up(folder: Path, exported: ModuleType, made) -> None:
    log, witness = other_key("ledgerline.log/mine"), other_key("witness.example/1", cosigns=True)
    exported.forge(made, folder, unchanged, log=log, witness=witness)
    assert exported.problems(folder) == set()
    assert {Problem.LOG_KEY, Problem.LOG_SIGNATURE, Problem.WITNESS_KEY, Problem.UNWITNESSED} <= exported.problems(
        folder, made
    )


# -- with the log's own key, against the witness


def rewrite_request(entries: Entries) -> None:
    entries[0]["detail"]["path"] = "another.csv"


def test_history_that_the_log_signed_anew_is_not_what_the_witness_saw(folder: Path, exported: ModuleType, made) -> None:
    exported.forge(made, folder, rewrite_request, log=made.log)
    assert exported.problems(folder) == {Problem.FORKED}
    assert exported.problems(folder, made) == {Problem.FORKED, Problem.UNWITNESSED}


def test_a_witness_that_was_taken_out_is_missed_by_who_knows_its_key(folder: Path, exported: ModuleType, made) -> None:
    shutil.rmtree(folder / "witness")
    (folder / "witness").mkdir()
    exported.forge(made, folder, rewrite_request, log=made.log, files={"keys/witness.vkey": None})
    assert exported.problems(folder) == set()
    assert exported.found(folder, made) == [("entry 1", Problem.UNWITNESSED)]


def test_entries_that_say_to_be_older_than_the_witnesss_look_before_them_are_named(
    folder: Path, exported: ModuleType, made
) -> None:
    def back_date(entries: Entries) -> None:
        for entry in entries[13:]:
            entry["recorded_at"] = entries[12]["recorded_at"]

    exported.forge(made, folder, back_date, log=made.log, witness=made.witness_key)
    assert exported.found(folder, made) == [(f"entry {each}", Problem.BACK_DATED) for each in (14, 15, 16)]


# -- with the keys of the log and of the witness, against the people's


def entry_of(kind: Kind) -> Callable[[Entries], dict[str, Any]]:
    return lambda entries: [entry for entry in entries if entry["kind"] == kind.value][-1]


def replace_signature(entries: Entries) -> None:
    entry_of(Kind.APPROVAL)(entries)["identity"]["signature"] = "00" * 64


def lengthen(entries: Entries) -> None:
    entry_of(Kind.APPROVAL)(entries)["identity"]["expires_at"] = "2030-01-01T00:00:00.000000Z"


def back_date_approval(entries: Entries) -> None:
    entry_of(Kind.APPROVAL)(entries)["recorded_at"] = entries[0]["recorded_at"].replace("2018", "2017")


def approve_afterwards(entries: Entries) -> None:
    approval = entry_of(Kind.APPROVAL)(entries)
    entries.remove(approval)
    entries.append({**approval, "recorded_at": entries[-1]["recorded_at"]})


def record_key_afterwards(entries: Entries) -> None:
    key, approval = entry_of(Kind.SIGNING_KEY)(entries), entry_of(Kind.APPROVAL)(entries)
    entries.remove(key)
    entries.insert(entries.index(approval) + 1, {**key, "recorded_at": approval["recorded_at"]})


def replace_key(entries: Entries) -> None:
    entry_of(Kind.SIGNING_KEY)(entries)["identity"]["public_key"] = "ab" * 32


def drop_approvals(entries: Entries) -> None:
    deployment = entry_of(Kind.DEPLOYMENT)(entries)
    deployment["identity"]["approvals"] = []
    deployment["parents"] = [parent for parent in deployment["parents"] if parent[1] != "approval"]


def claim_approvals(entries: Entries) -> None:
    entry_of(Kind.DEPLOYMENT)(entries)["identity"]["approvals"] *= 2


def deploy_live(entries: Entries) -> None:
    entry_of(Kind.DEPLOYMENT)(entries)["identity"]["environment"] = "live"


def refuse_at_gates(entries: Entries) -> None:
    evaluation = entry_of(Kind.EVALUATION)(entries)
    evaluation["identity"]["passed"] = False


def train_as_approver(entries: Entries) -> None:
    entry_of(Kind.TRAINING_RUN)(entries)["detail"]["trained_by"] = "B\u200bob "


def train_on_another_set(entries: Entries) -> None:
    entry_of(Kind.TRAINING_RUN)(entries)["identity"]["training_set"] = "ab" * 32


def quarantine(entries: Entries) -> None:
    entry_of(Kind.VALIDATION_RECEIPT)(entries)["identity"]["verdict"] = "quarantined"


def rename_decision(entries: Entries) -> None:
    entry_of(Kind.DECISION)(entries)["detail"]["subject"] = "t2"


def move_decision(entries: Entries) -> None:
    entry_of(Kind.DECISION)(entries)["identity"]["bundle"] = "ab" * 32


@pytest.mark.parametrize(
    ("edit", "where", "problem"),
    [
        (replace_signature, "entry 13", Problem.SIGNATURE),
        (lengthen, "entry 13", Problem.SIGNATURE),
        (back_date_approval, "entry 13", Problem.BACK_DATED),
        (approve_afterwards, "entry 13", Problem.EDGE),
        (record_key_afterwards, "entry 12", Problem.UNKNOWN_KEY),
        (replace_key, "entry 13", Problem.SIGNATURE),
        (drop_approvals, "entry 14", Problem.NOT_APPROVED),
        (claim_approvals, "entry 14", Problem.CONTRADICTION),
        (deploy_live, "entry 14", Problem.WRONG_ENVIRONMENT),
        (refuse_at_gates, "entry 13", Problem.GATES_REFUSED),
        (train_as_approver, "entry 13", Problem.TRAINED_IT),
        (train_on_another_set, "entry 9", Problem.CONTRADICTION),
        (quarantine, "entry 7", Problem.CONTRADICTION),
        (rename_decision, "entry 16", Problem.MISNAMED),
        (move_decision, "entry 16", Problem.CONTRADICTION),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_whoever_holds_the_keys_of_log_and_witness_cannot_say(
    folder: Path, exported: ModuleType, made, edit: Callable[[Entries], None], where: str, problem: Problem
) -> None:
    exported.forge(made, folder, edit, log=made.log, witness=made.witness_key)
    found = exported.found(folder, made)
    assert (where, problem) in found
    assert not {each for _, each in found} & {Problem.UNPROVEN, Problem.FORKED, Problem.LOG_SIGNATURE}


def test_an_approval_recorded_after_its_key_was_revoked_is_named(folder: Path, exported: ModuleType, made) -> None:
    def revoke(entries: Entries) -> None:
        key, approval = entry_of(Kind.SIGNING_KEY)(entries), entry_of(Kind.APPROVAL)(entries)
        now = entries[-1]["recorded_at"]
        entries.remove(approval)
        identity = {"key": key["id"], "public_key": key["identity"]["public_key"]}
        revocation = {"kind": "key_revocation", "identity": identity, "parents": [[key["id"], "key"]]}
        entries.append({**key, **revocation, "id": "0" * 64, "detail": {"reason": "lost"}, "recorded_at": now})
        entries.append({**approval, "recorded_at": now})

    exported.forge(made, folder, revoke, log=made.log, witness=made.witness_key, add=2)
    assert Problem.REVOKED_KEY in {problem for _, problem in exported.found(folder, made)}


def test_a_deployment_cannot_be_pointed_at_another_bundle(folder: Path, exported: ModuleType, made) -> None:
    """The other bundle's files and entry fit each other, and every id is computed anew."""
    (before,) = (folder / "bundles").iterdir()
    manifest = json.loads((before / "manifest.json").read_bytes())
    card = b"# a model that nobody has seen\n"
    manifest["files"]["card.md"] = {"bytes": len(card), "sha256": sha256_bytes(card)}
    content = json.dumps(manifest).encode()
    digest = sha256_bytes(content)
    after = before.rename(before.with_name(digest))
    (after / "manifest.json").write_bytes(content)
    (after / "card.md").write_bytes(card)

    def point_elsewhere(entries: Entries) -> None:
        exported.of_kind(entries, Kind.MODEL_BUNDLE)["identity"]["digest"] = digest
        for kind in (Kind.EVALUATION, Kind.DEPLOYMENT, Kind.DECISION):
            exported.of_kind(entries, kind)["identity"]["bundle"] = digest

    exported.forge(made, folder, point_elsewhere, log=made.log, witness=made.witness_key)
    assert {("entry 13", Problem.OTHER_MODEL), ("entry 14", Problem.OTHER_MODEL)} <= set(exported.found(folder, made))


# -- with the approver's key too


def test_what_the_approver_signs_is_held_to_its_own_words(
    folder: Path, honest: Path, exported: ModuleType, made, line: ModuleType, tmp_path: Path
) -> None:
    key = open_key(made.ledger, exported.APPROVER, passphrase=line.PASSPHRASE)
    recorded = parse_instant(exported.of_kind(made.entries(), Kind.APPROVAL)["recorded_at"])

    def sign(**says: str) -> Callable[[Entries], None]:
        def edit(entries: Entries) -> None:
            identity = exported.of_kind(entries, Kind.APPROVAL)["identity"]
            identity.update(says)
            identity["signature"] = key.sign(Statement.of(identity).content).hex()

        return edit

    def problems(**says: str) -> set[tuple[str, Problem]]:
        attacked = exported.copy(honest, tmp_path / str(len(list(tmp_path.iterdir()))))
        exported.forge(made, attacked, sign(**says), log=made.log, witness=made.witness_key)
        return set(exported.found(attacked, made))

    assert problems() == set()
    assert problems(environment="live") == {("entry 14", Problem.WRONG_ENVIRONMENT)}
    early = instant_text(recorded - timedelta(days=1))
    assert problems(signed_at=early) == {("entry 13", Problem.BACK_DATED)}
    late = instant_text(recorded + timedelta(days=1))
    assert problems(signed_at=late) == {("entry 13", Problem.BACK_DATED)}
    lapsed = instant_text(recorded + timedelta(minutes=5))
    assert problems(expires_at=lapsed) == {("entry 14", Problem.EXPIRED), ("entry 16", Problem.EXPIRED)}
    assert problems(bundle="ab" * 32) >= {("entry 13", Problem.OTHER_MODEL), ("entry 14", Problem.OTHER_MODEL)}
    assert ("entry 13", Problem.UNKNOWN_KEY) in problems(approver="grace")


# -- with nonsense


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"detail":' * 10_000, b"null", b'{"a":NaN}']
)
@pytest.mark.parametrize(
    "name",
    ["manifest.json", "proofs.json", "checkpoint.txt", "keys/log.vkey", "entries/0000000013.json", "bundle"],
)
def test_nonsense_is_a_finding_and_never_a_crash(folder: Path, exported: ModuleType, name: str, content: bytes) -> None:
    path = next(folder.glob("bundles/*/manifest.json")) if name == "bundle" else folder / name
    path.write_bytes(content)
    if name != "manifest.json":
        exported.list_again(folder)
    assert exported.found(folder)


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [["a"]], True], ids=repr)
def test_an_entry_of_any_shape_is_a_finding_and_never_a_crash(
    folder: Path, exported: ModuleType, made, value: Any
) -> None:
    for field in ("identity", "detail", "parents", "kind", "recorded_at", "id"):
        for number in (7, 8, 10, 11, 13, 14, 16):
            path = folder / f"entries/{number:010d}.json"
            before = path.read_bytes()
            if json.loads(before)[field] == value:
                continue
            path.write_text(json.dumps({**json.loads(before), field: value}, sort_keys=True, separators=(",", ":")))
            exported.list_again(folder)
            assert exported.found(folder), (field, number)
            path.write_bytes(before)
