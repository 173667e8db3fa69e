"""Broken, changing and vanishing files cost themselves and nothing else."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.core.identity import sha256_file
from ledgerline.core.settings import Settings
from pipelines.ingestion import land, source_digest, stable_read

MAPPING = """
name: shop
as_of: 2024-02-01T00:00:00Z
datasets:
  fraud_labels:
    files: "*.{format}"
    columns:
      transaction_id: id
      is_fraud: fraud
      event_time: t
      available_at: {{after: event_time, delay: 7d}}
"""
HEADER = b"id,fraud,t\n"
ROW = b"a,1,2024-01-01T00:00Z\n"
APPEND_WHEN_ASKED = """
import sys
with open(sys.argv[1], "ab", buffering=0) as stream:
    for _ in sys.stdin:
        stream.write(sys.argv[2].encode())
        print("written", flush=True)
"""
APPEND_WITHOUT_END = """
import sys
from ledgerline.audit.verify import entries_holding
with open(sys.argv[1], "ab", buffering=0) as stream:
    for number in range(200_000):
        stream.write(sys.argv[2].encode())
        if number == 0:
            print("written", flush=True)
"""


def installation(root: Path, file_format: str) -> Ledger:
    (root / "data").mkdir()
    (root / "data" / "ledgerline.yaml").write_text(MAPPING.format(format=file_format))
    return Ledger.open(Settings(home=root / "home", data=root / "data"))


@contextmanager
def writer(program: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that appends rows to the file, until the block ends."""
    command = [sys.executable, "-c", program, str(path), ROW.decode()]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def written(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"


def test_file_that_is_being_written_is_left_and_lands_when_it_is_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = installation(tmp_path, "csv")
    growing, resting = tmp_path / "data" / "a.csv", tmp_path / "data" / "b.csv"
    growing.write_bytes(HEADER)
    resting.write_bytes(HEADER + ROW)
    real = stable_read._digest
    with writer(APPEND_WHEN_ASKED, growing) as process, monkeypatch.context() as patch:

        def read_while_written(path: Path, copy_to: Path | None) -> stable_read.StableBytes:
            found = real(path, copy_to)
            if path == growing:
                process.stdin.write("more\n")  # type: ignore[union-attr]
                written(process)
            return found

        patch.setattr(stable_read, "_digest", read_while_written)
        during = land(ledger, "fraud_labels")
        assert source_digest(ledger.settings) == {"fraud_labels": [("b.csv", sha256_file(resting))]}
    assert during.left == ("a.csv: was being written during 3 attempts to read it; left for the next run",)
    assert [ledger.log.get(batch).detail["path"] for batch in during.batches] == ["b.csv"]
    assert len(ledger.log.leaves(Kind.RAW_FILE)) == 1

    after = land(ledger, "fraud_labels")
    assert after.left == ()
    (new,) = map(ledger.log.get, after.new)
    assert new.identity["raw"] == sha256_file(growing)
    assert new.identity["rows"] == growing.read_bytes().count(ROW) == 12


def test_whatever_lands_of_a_file_that_grows_is_what_it_held_at_one_moment(tmp_path: Path) -> None:
    ledger = installation(tmp_path, "csv")
    growing = tmp_path / "data" / "a.csv"
    growing.write_bytes(HEADER)
    with writer(APPEND_WITHOUT_END, growing) as process:
        written(process)
        for _ in range(3):
            land(ledger, "fraud_labels")
    land(ledger, "fraud_labels")
    final = growing.read_bytes()
    batches = ledger.log.leaves(Kind.LANDED_BATCH)
    assert batches[-1].identity["raw"] == sha256_file(growing)
    for leaf in batches:
        raw = ledger.objects.get(leaf.identity["raw"])
        assert final.startswith(raw)
        assert leaf.identity["rows"] + leaf.identity["unreadable"] == raw.count(b"a,")


def test_file_that_vanishes_after_it_was_listed_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = installation(tmp_path, "csv")
    for name in ("a.csv", "b.csv"):
        (tmp_path / "data" / name).write_bytes(HEADER + ROW + name.encode() + b",0,2024-01-01T00:00Z\n")
    report = land(ledger, "fraud_labels", progress=lambda _: (tmp_path / "data" / "b.csv").unlink(missing_ok=True))
    assert len(report.batches) == 1
    assert report.left[0].startswith("b.csv: cannot be read (No such file")


def test_truncated_gzip_is_refused_and_lands_once_it_is_fetched_again(tmp_path: Path) -> None:
    ledger = installation(tmp_path, "csv.gz")
    packed = gzip.compress(HEADER + b"".join(b"%d,1,2024-01-01T00:00Z\n" % n for n in range(200_000)))
    (tmp_path / "data" / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "data" / "b.csv.gz").write_bytes(gzip.compress(HEADER + ROW))
    report = land(ledger, "fraud_labels")
    assert len(report.batches) == 1
    (refusal,) = map(ledger.log.get, report.refused)
    assert refusal.identity["reason"] == "truncated_gzip"
    assert refusal.detail["path"] == "a.csv.gz"
    assert ledger.objects.get(refusal.identity["raw"]) == packed[: len(packed) // 2]
    # Rows were read before the end was missed; none of them landed.
    assert len(ledger.log.leaves(Kind.LANDED_BATCH)) == 1

    (tmp_path / "data" / "a.csv.gz").write_bytes(packed)
    again = land(ledger, "fraud_labels")
    assert again.refused == ()
    assert [ledger.log.get(batch).identity["rows"] for batch in again.new] == [200_000]


def test_folder_of_every_kind_of_bad_file_lands_what_is_sound(tmp_path: Path) -> None:
    ledger = installation(tmp_path, "csv")
    bad = {
        "empty.csv": b"",
        "headless.csv": ROW,
        "binary.csv": bytes(range(256)) * 20,
        "utf16.csv": (HEADER + ROW).decode().encode("utf-16"),
        "rows.csv": HEADER + ROW + b"b\xff,1,2024-01-01T00:00Z\n" + b'"c,1,\n' + ROW,
        "sound.csv": HEADER + ROW,
    }
    for name, content in bad.items():
        (tmp_path / "data" / name).write_bytes(content)
    report = land(ledger, "fraud_labels")
    refused = {leaf.detail["path"]: leaf.identity["reason"] for leaf in map(ledger.log.get, report.refused)}
    assert refused == {
        "binary.csv": "missing_column",
        "empty.csv": "empty_file",
        "headless.csv": "missing_column",
        "utf16.csv": "missing_column",
    }
    landed = [ledger.log.get(batch) for batch in report.batches]
    assert {leaf.detail["path"]: (leaf.identity["rows"], leaf.identity["unreadable"]) for leaf in landed} == {
        "rows.csv": (2, 2),
        "sound.csv": (1, 0),
    }
    entries_holding(ledger.log)
