"""From a decision back to the bytes."""

from pathlib import Path

import pytest

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent, UnknownLeaf
from ledgerline.audit.trace import raw_bytes, resolve, trace
from ledgerline.core.storage import ObjectStore


@pytest.fixture
def log(tmp_path: Path) -> EvidenceLog:
    return EvidenceLog(f"sqlite:///{tmp_path / 'evidence.db'}")


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


@pytest.fixture
def line(log: EvidenceLog, objects: ObjectStore) -> dict[str, str]:
    """Return ids along a line in which one file feeds two batches."""
    sha256 = objects.put(b"the raw bytes")
    raw = log.append(Leaf(Kind.RAW_FILE, {"sha256": sha256}, {"path": "transactions/one.csv"}))
    batches = [log.append(Leaf(Kind.LANDED_BATCH, {"dataset": name}), [Parent(raw, "raw")]) for name in ("a", "b")]
    bundle = log.append(
        Leaf(Kind.MODEL_BUNDLE, {"digest": "d1" * 32}, {"family": "fraud", "model_version": 3}),
        [Parent(batch, "run") for batch in batches],
    )
    decision = log.append(Leaf(Kind.DECISION, {"decision_id": "c0ffee42"}), [Parent(bundle, "bundle")])
    return {"raw": raw, "sha256": sha256, "bundle": bundle, "decision": decision}


def test_a_decision_leads_back_to_the_raw_file(log: EvidenceLog, line: dict[str, str]):
    start = trace(log, resolve(log, "c0ffee42"))
    assert [step.leaf.kind for step in start.walk()][:4] == [
        Kind.DECISION,
        Kind.MODEL_BUNDLE,
        Kind.LANDED_BATCH,
        Kind.RAW_FILE,
    ]


def test_a_file_behind_two_batches_is_written_out_once(log: EvidenceLog, line: dict[str, str]):
    files = [step for step in trace(log, resolve(log, line["decision"])).walk() if step.leaf.kind is Kind.RAW_FILE]
    assert [step.met_before for step in files] == [False, True]


@pytest.mark.parametrize("name", ["fraud@3", "d1d1d1d1", "transactions/one.csv", "c0ffee42"])
def test_things_are_found_by_the_names_people_use(log: EvidenceLog, line: dict[str, str], name: str):
    assert resolve(log, name).id in line.values()


@pytest.mark.parametrize("name", ["fraud@4", "nothing", ""])
def test_an_unknown_name_is_refused(log: EvidenceLog, line: dict[str, str], name: str):
    with pytest.raises(UnknownLeaf):
        resolve(log, name)


def test_raw_bytes_are_read_again_and_a_changed_byte_is_named(
    log: EvidenceLog, objects: ObjectStore, line: dict[str, str]
):
    start = trace(log, resolve(log, "fraud@3"))
    assert [(found.sha256, found.problem) for found in raw_bytes(objects, start)] == [(line["sha256"], None)]
    stored = Path(objects.location(line["sha256"]))
    stored.chmod(0o644)
    stored.write_bytes(b"the raw bytez")
    (changed,) = raw_bytes(objects, start)
    assert "it was changed" in (changed.problem or "")


def test_a_file_that_was_delivered_twice_is_refused_by_path_and_its_two_ids_are_named(
    log: EvidenceLog, line: dict[str, str]
):
    again = log.append(Leaf(Kind.RAW_FILE, {"sha256": "ef" * 32}, {"path": "transactions/one.csv"}))
    with pytest.raises(UnknownLeaf, match=f"raw_file {line['raw'][:12]}, raw_file {again[:12]}; give one of these ids"):
        resolve(log, "transactions/one.csv")
    assert resolve(log, again[:12]).id == again
