"""The witness: a separate process, with a key of its own, that vouches for the log having only grown.

It copies the hash of every entry (32 bytes each) as checkpoints come, so that it can say not only that history was
rewritten but where. What it has cosigned it publishes: to a file, and where its operator says so to an HTTP address.
Whoever holds every key of the log and of its people cannot then rewrite what is older than the last of these unnoticed.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path

import httpx

from ledgerline.audit.checkpoint import SignedCheckpoint
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.merkle import Frontier
from ledgerline.audit.note import NoteKey, NoteSigner
from ledgerline.audit.tree import LogForked, hashes_of, latest_checkpoint
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.storage import write_atomically

_HASH_BYTES = 32
_READ_AT_ONCE = 1 << 16
_POST_SECONDS = 10.0

HashReader = Callable[[int, int], list[bytes]]
"""``read(begin, end)``: the log's entry hashes from ``begin`` up to ``end``, counted from 0."""


class WitnessRefused(LedgerlineError):
    """The witness's own files do not fit each other, or it is asked to vouch for another log."""


class Published:
    """What a witness has published: its cosigned checkpoints and its copy of every entry's hash.

    Args:
        folder: The witness's folder, or a copy of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hashes_path = folder / "entry-hashes"
        self.checkpoints_path = folder / "checkpoints.jsonl"
        self.log_key_path = folder / "log.vkey"
        self.key_path = folder / "witness.vkey"

    @property
    def log_key(self) -> NoteKey | None:
        """The key of the log that is vouched for, or None before the first checkpoint."""
        return _key(self.log_key_path)

    @property
    def key(self) -> NoteKey | None:
        """The witness's own public key, or None before it was made."""
        return _key(self.key_path)

    def checkpoints(self) -> Iterator[SignedCheckpoint]:
        """Yield what was cosigned, oldest first; a line that a kill has cut short is none.

        Raises:
            NoteInvalid: A line is not a checkpoint that the log has signed.
        """
        log_key = self.log_key
        if log_key is None or not self.checkpoints_path.exists():
            return
        with self.checkpoints_path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield SignedCheckpoint.parse(json.loads(line)["note"], log_key)

    def last(self) -> SignedCheckpoint | None:
        """Return the newest that was cosigned, or None.

        Raises:
            NoteInvalid: It is no checkpoint that the log has signed.
        """
        log_key = self.log_key
        if log_key is None or not self.checkpoints_path.exists():
            return None
        lines = self.checkpoints_path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        return SignedCheckpoint.parse(json.loads(lines[-1])["note"], log_key) if lines else None

    def hashes(self, begin: int, end: int) -> list[bytes]:
        """Return the copied hashes of the entries from ``begin`` up to ``end``, counted from 0; fewer at the end."""
        if not self.hashes_path.exists():
            return []
        with self.hashes_path.open("rb") as stream:
            stream.seek(begin * _HASH_BYTES)
            content = stream.read((end - begin) * _HASH_BYTES)
        return [content[at : at + _HASH_BYTES] for at in range(0, len(content) - _HASH_BYTES + 1, _HASH_BYTES)]


class Witness:
    """Cosigns a log's checkpoints, one after the other, as long as each continues the one before.

    Args:
        folder: Where it keeps and publishes what it vouches for; nobody else writes there.
        signer: Its own key.
        log_key: The log's key, as pinned at the first start.

    Raises:
        WitnessRefused: What is in the folder does not fit together, or is about another log.
    """

    def __init__(self, folder: Path, signer: NoteSigner, log_key: NoteKey) -> None:
        self.published = Published(folder)
        self._signer, self.log_key = signer, log_key
        folder.mkdir(parents=True, exist_ok=True)
        _pin(self.published.key_path, signer.key)
        _pin(self.published.log_key_path, log_key)
        self._last = self.published.last()
        self._frontier = self._restored()

    @property
    def last(self) -> SignedCheckpoint | None:
        """The newest checkpoint that it has vouched for."""
        return self._last

    def vouch(self, checkpoint: SignedCheckpoint, read: HashReader, at: datetime) -> SignedCheckpoint:
        """Check that a checkpoint continues the last one, then cosign and publish it.

        Args:
            checkpoint: The log's newest.
            read: Where the log's entry hashes are read from.
            at: Now, UTC.

        Returns:
            The checkpoint with the cosignature.

        Raises:
            LogForked: It does not continue the last one; nothing is cosigned.
            WitnessRefused: It is another log's.
        """
        if checkpoint.checkpoint.origin != self.log_key.name:
            raise WitnessRefused(f"this witness vouches for {self.log_key.name}, not {checkpoint.checkpoint.origin}")
        frontier = Frontier(self._frontier.size, self._frontier.roots)
        fresh = self._fresh(checkpoint, read)
        for entry_hash in fresh:
            frontier.append(entry_hash)
        if frontier.root() != checkpoint.checkpoint.root:
            raise LogForked(
                f"the log's {checkpoint.checkpoint.size} entries do not begin with the {self._frontier.size} that this "
                "witness has vouched for; it vouches for nothing more. Keep both and compare: ledgerline audit verify"
            )
        cosigned = checkpoint.cosigned(self._signer, at)
        _append(self.published.hashes_path, b"".join(fresh))  # first: a copy that is too long is cut at the next start
        line = json.dumps({"note": str(cosigned.note)}, ensure_ascii=False) + "\n"
        _append(self.published.checkpoints_path, line.encode())
        self._last, self._frontier = cosigned, frontier
        return cosigned

    def _fresh(self, checkpoint: SignedCheckpoint, read: HashReader) -> list[bytes]:
        size, vouched = checkpoint.checkpoint.size, self._frontier.size
        if size < vouched:
            raise LogForked(f"the log has shrunk: it signs for {size} entries, and had {vouched}")
        try:
            parts = [read(at, min(size, at + _READ_AT_ONCE)) for at in range(vouched, size, _READ_AT_ONCE)]
        except LogForked as lacking:
            raise LogForked(f"the log lacks entries that it signs for: {lacking}") from lacking
        return list(chain.from_iterable(parts))

    def _restored(self) -> Frontier:
        """Rebuild what it knows from what it wrote, and cut off what a kill has left half done."""
        size = self._last.checkpoint.size if self._last else 0
        _cut_last_line(self.published.checkpoints_path)
        if self.published.hashes_path.exists():
            os.truncate(self.published.hashes_path, min(size * _HASH_BYTES, self.published.hashes_path.stat().st_size))
        frontier = Frontier()
        for at in range(0, size, _READ_AT_ONCE):
            for entry_hash in self.published.hashes(at, min(size, at + _READ_AT_ONCE)):
                frontier.append(entry_hash)
        if self._last and frontier.root() != self._last.checkpoint.root:
            raise WitnessRefused(
                f"{self.published.hashes_path} is not the copy of the {size} entries that were vouched for; restore it "
                "from a backup"
            )
        return frontier


def post(checkpoint: SignedCheckpoint, url: str) -> str | None:
    """Post a cosigned checkpoint as text; return None, or why it did not arrive."""
    try:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        httpx.post(url, content=str(checkpoint.note), headers=headers, timeout=_POST_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return None


def observe(witness: Witness, log: EvidenceLog, at: datetime) -> SignedCheckpoint | None:
    """Vouch for the log's newest checkpoint; None while it has none.

    Raises:
        LogForked: It does not continue what was vouched for.
        NoteInvalid: The log's key has not signed it.
    """
    checkpoint = latest_checkpoint(log, witness.log_key)
    if checkpoint is None:
        return None

    def read(begin: int, end: int) -> list[bytes]:
        with log.reading() as connection:
            return hashes_of(connection, begin, end)

    return witness.vouch(checkpoint, read, at)


def _pin(path: Path, key: NoteKey) -> None:
    """Write a key down, or check that it is the one that was written down before."""
    known = _key(path)
    if known is None:
        write_atomically(path, f"{key.text}\n".encode())
    elif known != key:
        raise WitnessRefused(f"{path} names {known.text}, not {key.text}; another key needs another folder")


def _key(path: Path) -> NoteKey | None:
    return NoteKey.parse(path.read_text(encoding="utf-8")) if path.exists() else None


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _cut_last_line(path: Path) -> None:
    """Drop a last line that a kill has cut short."""
    if path.exists():
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)
