"""Export evidence: a folder that says by itself, and offline, what stands behind a thing.

It holds the entries behind what was asked for, proofs that they are in a log that was signed and witnessed, the keys,
and the bytes that the entries name; :mod:`ledgerline.audit.verify_export` checks it, alone. The same question makes the
same bytes, however much the log has grown since.
"""

import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledgerline.audit import verify_export
from ledgerline.audit.export_readme import readme
from ledgerline.audit.export_seals import ENTRY_DIGITS, ExportRefused, Seals
from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.trace import resolve, trace
from ledgerline.audit.verify_export import FORMAT, MANIFEST, README, VERIFIER, manifest_bytes
from ledgerline.core.identity import sha256_bytes, sha256_file
from ledgerline.core.storage import ObjectCorrupt, ObjectMissing, ObjectStore

_SAID_EVERY = 500

__all__ = ["Export", "ExportRefused", "Part", "Parts", "export_evidence", "raw_file_parts"]


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes that an entry names, and where they lie in an export.

    Attributes:
        path: Below the export's folder, with forward slashes.
        sha256: What the entry says that they hash to.
        content: The bytes; None where they are an object.
        is_data: Whether they are rows or a raw file, which an export may leave out.
    """

    path: str
    sha256: str
    content: bytes | None = None
    is_data: bool = False


Parts = Callable[[RecordedLeaf], Iterable[Part]]
"""Which bytes an entry names: how the rooms that know what an entry means say what belongs to it."""


@dataclass(frozen=True, slots=True)
class Export:
    """What was exported.

    Attributes:
        folder: Where.
        entries: How many entries.
        files: How many files, the manifest included.
        size: The checkpoint's: how many entries the log had that the proofs are against.
        witnessed: Up to which entry the witness's checkpoints in it reach; 0 without one.
        left_out: How many data files were left out.
        has_log_key: Whether the log's public key was there to be put in.
    """

    folder: Path
    entries: int
    files: int
    size: int
    witnessed: int
    left_out: int
    has_log_key: bool


def export_evidence(
    ledger: Ledger,
    names: Sequence[str],
    folder: Path,
    *,
    parts: Parts | None = None,
    signer: NoteSigner | None = None,
    without_raw: bool = False,
    say: Callable[[str], None] | None = None,
) -> Export:
    """Write everything behind some things into a new folder, whole or not at all.

    Args:
        ledger: The installation.
        names: What to begin at: decisions, orders, models, files, as :func:`.trace.resolve` finds them.
        folder: What to make; it must not be there yet.
        parts: Which bytes the entries name; None knows raw files alone. See :mod:`ledgerline.decisions.export`.
        signer: The log's own key, to sign what the log is now if no checkpoint covers the newest entry.
        without_raw: Leave out raw files and rows, and say so.
        say: Told how far it is.

    Raises:
        ExportRefused: The folder is there; no checkpoint covers the entries; or bytes are gone, changed or unproven.
        UnknownLeaf: Nothing, or more than one thing, is called by one of the names.
        NoteInvalid: A stored checkpoint is not signed by the log's key.
    """
    say = say or _silent
    if folder.exists() or folder.is_symlink():
        raise ExportRefused(f"{folder} is there already; an export never overwrites, name another folder")
    starts = {name: resolve(ledger.log, name) for name in dict.fromkeys(names)}
    if not starts:
        raise ExportRefused("name what to export: a decision, an order, a model version, ...")
    leaves = _behind(ledger.log, starts.values())
    say(f"{len(leaves)} entries stand behind {', '.join(starts)}")
    seals = Seals.of(ledger, leaves, signer)
    with _new_folder(folder) as temporary:
        writer = _Writer(temporary, ledger.objects, without_raw=without_raw, say=say)
        for leaf in leaves:
            writer.write(f"entries/{leaf.sequence:0{ENTRY_DIGITS}d}.json", leaf.entry)
        for path, content in seals.files(ledger.log, leaves).items():
            writer.write(path, content)
        for part in _unique(part for leaf in leaves for part in (parts or raw_file_parts)(leaf)):
            writer.put(part)
        writer.write(VERIFIER, Path(verify_export.__file__).read_bytes())
        writer.write(README, readme(starts, leaves, seals, writer.left_out).encode())
        manifest = {
            "files": writer.files,
            "format": FORMAT,
            "left_out": writer.left_out,
            "starts": [
                {"id": leaf.id, "kind": leaf.kind.value, "name": name, "sequence": leaf.sequence}
                for name, leaf in starts.items()
            ],
            "without_raw": without_raw,
        }
        writer.write(MANIFEST, manifest_bytes(manifest))
    say(f"{len(writer.files)} files are in {folder}")
    return Export(
        folder=folder,
        entries=len(leaves),
        files=len(writer.files),
        size=seals.checkpoint.checkpoint.size,
        witnessed=seals.witnessed,
        left_out=len(writer.left_out),
        has_log_key=seals.log_key is not None,
    )


def raw_file_parts(leaf: RecordedLeaf) -> Iterator[Part]:
    """Yield the bytes of a raw file."""
    if leaf.kind is Kind.RAW_FILE:
        sha256 = leaf.identity["sha256"]
        yield Part(f"raw/{sha256}", sha256, is_data=True)


def _behind(log: EvidenceLog, starts: Iterable[RecordedLeaf]) -> list[RecordedLeaf]:
    """Return everything behind the starts in the log's order, and the signing keys that its approvals are held to.

    Every key that was on record before the newest approval is among them, and every revocation: so that a key which had
    been replaced or revoked by then is seen to have been.
    """
    found = {step.leaf.id: step.leaf for start in starts for step in trace(log, start).walk()}
    approved = max((leaf.sequence for leaf in found.values() if leaf.kind is Kind.APPROVAL), default=0)
    for kind in (Kind.SIGNING_KEY, Kind.KEY_REVOCATION):
        found |= {leaf.id: leaf for leaf in log.leaves(kind) if leaf.sequence < approved}
    return sorted(found.values(), key=lambda leaf: leaf.sequence)


class _Writer:
    """Writes files below one folder and remembers what they hash to."""

    def __init__(self, folder: Path, objects: ObjectStore, *, without_raw: bool, say: Callable[[str], None]) -> None:
        self.files: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self._folder, self._objects, self._without_raw, self._say = folder, objects, without_raw, say

    def write(self, path: str, content: bytes) -> None:
        target = self._target(path)
        with target.open("xb") as stream:
            stream.write(content)
        self._remember(path, sha256_bytes(content))

    def put(self, part: Part) -> None:
        """Write the bytes that an entry names, or note that they are left out.

        Raises:
            ExportRefused: They are gone, or are not what the entry names.
        """
        if part.is_data and self._without_raw:
            self.left_out[part.path] = part.sha256
        elif part.content is not None:
            if (found := sha256_bytes(part.content)) != part.sha256:
                raise ExportRefused(f"{part.path} hashes to {found}, not to {part.sha256} as recorded: it was changed")
            self.write(part.path, part.content)
        else:
            self._copy(part)

    def _copy(self, part: Part) -> None:
        target = self._target(part.path)
        try:
            with self._objects.local(part.sha256) as path:
                shutil.copyfile(path, target)
        except (ObjectMissing, ObjectCorrupt) as gone:
            advice = "; --without-raw exports without it" if part.is_data else ""
            raise ExportRefused(f"{part.path}: {gone}; restore it from a backup{advice}") from gone
        self._remember(part.path, sha256_file(target))

    def _target(self, path: str) -> Path:
        target = self._folder.joinpath(*path.split("/"))
        if not target.resolve().is_relative_to(self._folder.resolve()):
            raise ExportRefused(f"{path} would lie outside the export")
        target.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
        return target

    def _remember(self, path: str, sha256: str) -> None:
        self.files[path] = sha256
        if len(self.files) % _SAID_EVERY == 0:
            self._say(f"{len(self.files)} files written")


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside the wanted one; on success it takes its name in one step, else it is removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    temporary.mkdir(mode=stat.S_IRWXU)  # requests and payments are nobody else's business
    try:
        yield temporary
        _make_durable(temporary)
        if folder.exists():  # a rename would replace an empty folder
            raise ExportRefused(f"{folder} has come to be meanwhile; an export never overwrites, name another folder")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _make_durable(folder: Path) -> None:
    """Bring everything to the disk before the folder gets its name; at the end, which is quicker than file by file."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unique(parts: Iterable[Part]) -> list[Part]:
    return list({part.path: part for part in parts}.values())


def _silent(_message: str) -> None:
    """Tell nobody."""
