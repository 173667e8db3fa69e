"""Check a folder of exported evidence, alone: no network, nothing of Ledgerline, one file.

    python -I verify_export.py FOLDER [--log-key VKEY] [--witness-key VKEY] [--json]

It needs Python 3.11 or newer and the package ``cryptography`` (for Ed25519). Exit status 0: everything holds; 1:
something does not, and it says what; 2: it could not begin. Take this file from where you trust it, not from the export
that it is to check (with ``-I``, Python takes nothing else from the folder that it lies in), and give the log's and the
witness's keys as you were told them: keys out of the folder prove only that the folder agrees with itself.

No canonical JSON is made here. An entry is written as RFC 8785 canonical JSON of ``detail``, ``id``, ``identity``,
``kind``, ``parents`` and ``recorded_at``, in this order, and its id is the SHA-256 of the canonical JSON of
``identity`` and ``kind``: so the bytes to be hashed stand in the entry already and are cut out of it. What people sign
are texts alone, under ASCII names, which Python's encoder writes as RFC 8785 does (section 3.2.2.2).
"""

import argparse
import base64
import hashlib
import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    sys.stderr.write("verify_export.py needs the package `cryptography` for Ed25519: pip install cryptography\n")
    raise SystemExit(2) from None

FORMAT = "ledgerline-export/1"
MANIFEST, README, VERIFIER = "manifest.json", "README.txt", "verify_export.py"
CHECKPOINT, PROOFS, LOG_KEY, WITNESS_KEY = "checkpoint.txt", "proofs.json", "keys/log.vkey", "keys/witness.vkey"
_ALWAYS = (README, VERIFIER, CHECKPOINT, PROOFS)
_ENTRY_FIELDS = ("detail", "id", "identity", "kind", "parents", "recorded_at")
_STATEMENT = (
    "family",
    "bundle",
    "training_set",
    "evaluation",
    "environment",
    "approver",
    "role",
    "signed_at",
    "expires_at",
)
_PURPOSE = "ledgerline model approval, version 1"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ENTRY_PATH = re.compile(r"entries/(\d{10})\.json")
_LOG_NAME = re.compile(r"ledgerline\.log/([0-9a-f]{16})")
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+=*)")
_ED25519, _COSIGNATURE = 0x01, 0x04  # signature types of c2sp.org/signed-note
_CLOCKS_APART = timedelta(minutes=5)  # between the machine of a signer and that of the log
_COMMIT = timedelta(minutes=1)  # between the check of an approval and the entry that rests on it
_WITNESS_LAG = timedelta(minutes=3)  # between an entry and the witness's look at it, with two clocks
_MOST_SHOWN = 100
_MOST_DIGITS = 100  # of an amount; more is an attempt to exhaust the reader
_SHOWN_DIGITS = 12
_READ_AT_ONCE = 1 << 20

# What the fields of an entry must be equal to: (field, role of a parent, what that parent is called by; any of them).
# A list is equal to what all parents of that role are called by, in their order.
_LINKS: Mapping[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "landed_batch": (("raw", "raw", ("sha256", "id")),),
    "refused_file": (("raw", "raw", ("sha256", "id")),),
    "validation_receipt": (("batch", "batch", ("id",)),),
    "release": (("receipt", "receipt", ("id",)), ("batch", "batch", ("id",))),
    "training_set": (("feature_version", "features", ("id",)), ("labels", "labels", ("id",))),
    "training_run": (("training_set", "training_set", ("id",)),),
    "model_bundle": (("detail.training_run", "run", ("id",)),),
    "evaluation": (("bundle", "bundle", ("digest",)),),
    "approval": (("evaluation", "evaluation", ("id",)), ("key", "key", ("id",))),
    "deployment": (("bundle", "bundle", ("digest",)), ("approvals", "approval", ("id",))),
    "decision": (
        ("request", "request", ("sha256",)),
        ("detail.deployment", "deployment", ("id",)),
        ("bundle", "deployment", ("bundle",)),
        ("family", "deployment", ("family",)),
    ),
    "forecast": (("bundle", "deployment", ("bundle",)), ("feature_version", "features", ("id",))),
    "scored_batch": (
        ("bundle", "deployment", ("bundle",)),
        ("feature_version", "features", ("id",)),
        ("receipt", "batch", ("id",)),
    ),
    "outcome": (("decision", "decision", ("id",)),),
}
# What a parent in a role must be.
_ROLES: Mapping[str, tuple[str, ...]] = {
    "accepted": ("validation_receipt", "release"),
    "approval": ("approval",),
    "batch": ("landed_batch", "validation_receipt", "release"),
    "bundle": ("model_bundle",),
    "decision": ("decision",),
    "deployment": ("deployment",),
    "evaluation": ("evaluation",),
    "event": ("venue_event",),
    "features": ("feature_version",),
    "intent": ("order_intent",),
    "key": ("signing_key",),
    "label": ("validation_receipt", "release"),
    "labels": ("validation_receipt", "release"),
    "online_state": ("feature_version",),
    "raw": ("raw_file",),
    "receipt": ("validation_receipt",),
    "request": ("request",),
    "run": ("training_run",),
    "training_set": ("training_set",),
}
KINDS = frozenset(
    {
        "raw_file",
        "refused_file",
        "landed_batch",
        "validation_receipt",
        "feature_version",
        "training_set",
        "training_run",
        "model_bundle",
        "evaluation",
        "signing_key",
        "key_revocation",
        "approval",
        "deployment",
        "request",
        "decision",
        "forecast",
        "scored_batch",
        "order_intent",
        "venue_event",
        "outcome",
        "release",
        "halt",
        "monitoring",
        "erasure",
    }
)
"""What an entry may stand for."""
# Where the bytes lie that an entry names by their SHA-256: (field, folder, whether they are data that may be left out).
_NAMED_BYTES: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "raw_file": (("sha256", "raw", True),),
    "request": (("sha256", "requests", False),),
    "validation_receipt": (("result_object", "documents", False),),
    "feature_version": (("manifest", "documents", False),),
    "training_set": (("sha256", "data", True),),
    "scored_batch": (("sha256", "data", True),),
    "forecast": (("csv", "data", True),),
    "monitoring": (("report", "documents", False),),
    "venue_event": (("detail.answer", "documents", False),),
}


_CALLED = {"raw": "raw files", "requests": "requests", "documents": "documents", "data": "files of rows"}


class Problem(StrEnum):
    """What does not hold."""

    MANIFEST = "manifest"  # manifest.json is missing, or says what is not so
    FILE_MISSING = "file_missing"  # a file that must be there is not
    FILE_CHANGED = "file_changed"  # a file's SHA-256 is not the manifest's
    FILE_UNEXPECTED = "file_unexpected"  # a file that nothing in the export speaks of
    MALFORMED = "malformed"  # a file or an entry cannot be read as what it is
    LOG_KEY = "log_key"  # the log's key is missing, or another than yours
    LOG_SIGNATURE = "log_signature"  # a checkpoint is not signed by the log
    WITNESS_KEY = "witness_key"  # the witness's key is missing, or another than yours
    WITNESS_SIGNATURE = "witness_signature"  # a checkpoint is not cosigned by the witness
    UNWITNESSED = "unwitnessed"  # your witness has not vouched for an entry
    FORKED = "forked"  # what the witness saw is not the log of this export
    UNPROVEN = "unproven"  # an entry is not in the log that was signed
    MISNAMED = "misnamed"  # an entry's id is not that of its content
    BACK_DATED = "back_dated"  # an entry or a signature says an earlier moment than can be
    EDGE = "edge"  # what an entry was made from is not in the export, or later
    CONTRADICTION = "contradiction"  # an entry says something else than what it was made from
    BYTES = "bytes"  # bytes are not those that an entry names
    BUNDLE = "bundle"  # a model's files are not those of its digest
    NOT_APPROVED = "not_approved"  # a deployment rests on no approval
    SIGNATURE = "signature"  # an approval is not signed by its key
    REVOKED_KEY = "revoked_key"  # an approval was recorded after its key had been revoked
    UNKNOWN_KEY = "unknown_key"  # an approval's key was not its approver's newest on record before it
    OTHER_MODEL = "other_model"  # an approval is of another model, or of another evaluation
    WRONG_ENVIRONMENT = "wrong_environment"  # an approval is for another environment
    EXPIRED = "expired"  # an approval had lapsed when it was relied on
    TRAINED_IT = "trained_it"  # an approver has trained the model
    GATES_REFUSED = "gates_refused"  # the gates had refused what was approved


class Unreadable(ValueError):
    """Something is not written as it must be."""


@dataclass(frozen=True)
class Finding:
    """Something that does not hold.

    Attributes:
        problem: What kind of thing.
        where: The file, or ``entry 12``.
        detail: What was found, for a person.
    """

    problem: Problem
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}: {self.detail}"


@dataclass
class Report:
    """What came of checking.

    Attributes:
        findings: What does not hold, in the order of checking: files, tree, entries.
        checked: How many of what were checked.
        trusted: Which keys were believed, and on whose word.
        notes: What the reader must know besides.
        story: What stands behind the first decision (or else the first thing asked for), line by line.
    """

    findings: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    trusted: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        findings = [
            {"problem": each.problem.value, "where": each.where, "detail": each.detail} for each in self.findings
        ]
        return {
            "holds": self.holds,
            "findings": findings,
            "checked": dict(self.checked),
            "trusted": self.trusted,
            "notes": self.notes,
            "story": self.story,
        }


@dataclass(frozen=True)
class Key:
    """A key that signs checkpoints (c2sp.org/signed-note): a log's, or a witness's, which cosigns with the time."""

    name: str
    public: bytes
    cosigns: bool
    text: str

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read a key from its line: name, id and key, with plus signs between."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        content = _base64(encoded)
        if len(content) != 33 or content[0] not in (_ED25519, _COSIGNATURE):
            raise Unreadable(f"{text.strip()!r} is no key of a log or a witness")
        key = cls(name, content[1:], content[0] == _COSIGNATURE, text.strip())
        if not name or key.id.hex() != key_id:
            raise Unreadable(f"{text.strip()!r}: the key's id would be {key.id.hex()}")
        return key

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature line names the key."""
        kind = bytes([_COSIGNATURE if self.cosigns else _ED25519])
        return hashlib.sha256(self.name.encode() + b"\n" + kind + self.public).digest()[:4]


@dataclass(frozen=True)
class Checkpoint:
    """What a log was at one size, and the signatures under it (c2sp.org/tlog-checkpoint)."""

    text: str
    signatures: tuple[tuple[str, bytes], ...]
    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, content: str) -> "Checkpoint":
        """Read a signed checkpoint."""
        text, found, lines = content.rpartition("\n\n")
        matches = [_SIGNATURE_LINE.fullmatch(line) for line in lines.split("\n")[:-1]]
        body = f"{text}\n".split("\n")
        if not found or not matches or not lines.endswith("\n") or len(body) != 4 or not re.fullmatch(r"\d+", body[1]):
            raise Unreadable("not a signed checkpoint")
        root = _base64(body[2])
        if len(root) != 32:
            raise Unreadable("its root is no SHA-256")
        signatures = []
        for match in matches:
            if match is None:
                raise Unreadable("a line under it is no signature")
            signatures.append((match[1], _base64(match[2])))
        return cls(f"{text}\n", tuple(signatures), body[0], int(body[1]), root)

    def signed_at(self, key: Key) -> datetime | None:
        """Return when a key has signed, or None; a log's signature has no time and gives the earliest there is.

        Raises:
            Unreadable: A line is said to be the key's and is not.
        """
        for name, content in self.signatures:
            if name != key.name or content[:4] != key.id:
                continue
            signature, message, seconds = content[4:], self.text.encode(), 0
            if key.cosigns:
                seconds, signature = int.from_bytes(signature[:8], "big"), signature[8:]
                message = f"cosignature/v1\ntime {seconds}\n{self.text}".encode()
            if not _is_signed(key.public, signature, message):
                raise Unreadable(f"it is not what {key.name} signed")
            return datetime.fromtimestamp(seconds, UTC)
        return None


@dataclass(frozen=True)
class Entry:
    """One entry of the log, as its bytes say.

    Attributes:
        sequence: Its position, from 1, which the proof of inclusion holds it to.
        content: Its bytes.
        stands_for: SHA-256 over its kind and identity, what its id must be.
        id: Its id as written.
        kind: What it stands for.
        identity: What makes it this one.
        detail: What else was kept.
        parents: Ids and roles of what it was made from.
        recorded_at: When it was recorded, UTC.
    """

    sequence: int
    content: bytes
    stands_for: str
    id: str
    kind: str
    identity: Mapping[str, Any]
    detail: Mapping[str, Any]
    parents: tuple[tuple[str, str], ...]
    recorded_at: datetime

    @classmethod
    def parse(cls, sequence: int, content: bytes) -> "Entry":
        """Read an entry, whose parts stand in one order and with nothing between them."""
        text, at = content.decode(), 0
        said: dict[str, Any] = {}
        spelled: dict[str, str] = {}
        for name in _ENTRY_FIELDS:
            opening = ("," if said else "{") + json.dumps(name) + ":"
            if not text.startswith(opening, at):
                raise Unreadable(f"an entry has {name!r} at character {at}")
            at += len(opening)
            said[name], end = _DECODER.raw_decode(text, at)
            spelled[name] = text[at:end]
            at = end
        if text[at:] != "}":
            raise Unreadable("something follows the entry")
        parents = tuple((_text(parent), _text(role)) for parent, role in said["parents"])
        stands_for = f'{{"identity":{spelled["identity"]},"kind":{spelled["kind"]}}}'
        return cls(
            sequence,
            content,
            hashlib.sha256(stands_for.encode()).hexdigest(),
            _sha256(said["id"]),
            _text(said["kind"]),
            _object(said["identity"]),
            _object(said["detail"]),
            parents,
            _instant(said["recorded_at"]),
        )

    @property
    def where(self) -> str:
        """How findings call it."""
        return f"entry {self.sequence}"

    @property
    def path(self) -> str:
        """Where its bytes lie."""
        return f"entries/{self.sequence:010d}.json"

    def said(self, name: str) -> Any:
        """Return what it says under a name of its identity, or of its detail where the name begins so."""
        outer, _, inner = name.partition(".")
        return self.detail.get(inner) if inner else self.identity.get(outer)


def verify(folder: Path, log_key: Key | None = None, witness_keys: Sequence[Key] = ()) -> Report:
    """Check an export.

    Args:
        folder: The export.
        log_key: The log's key as the reader was told it; None believes the folder's.
        witness_keys: Keys of witnesses whom the reader believes; none believes the folder's.
    """
    run = _Run(folder, log_key, tuple(witness_keys))
    if run.read_files() and run.read_manifest():
        run.read_keys()
        run.read_entries()
        run.check_tree()
        run.check_entries()
        run.check_explained()
        run.tell()
    return run.report


class _Run:
    """One pass over an export; what is read first stands first."""

    def __init__(self, folder: Path, log_key: Key | None, witness_keys: tuple[Key, ...]) -> None:
        self.folder, self.log_key, self.witness_keys = folder, log_key, witness_keys
        self.told_log_key, self.told_witness = log_key is not None, bool(witness_keys)
        self.report = Report()
        self.files: dict[str, str] = {}  # SHA-256 by path, of what is there
        self.manifest: Mapping[str, Any] = {}
        self.explained = {MANIFEST, *_ALWAYS, LOG_KEY, WITNESS_KEY}
        self.left_out: dict[str, str] = {}  # SHA-256 by path, of what the manifest says to be left out
        self.expected_left_out: set[str] = set()
        self.entries: list[Entry] = []
        self.by_id: dict[str, Entry] = {}
        self.looks: list[tuple[int, datetime]] = []  # sizes at which the witness has seen the log, and when

    def find(self, problem: Problem, where: str, detail: str) -> None:
        self.report.findings.append(Finding(problem, where, detail))

    # -- files

    def read_files(self) -> bool:
        """Hash every file of the folder; a link is none of the export's files."""
        if not self.folder.is_dir():
            self.find(Problem.FILE_MISSING, str(self.folder), "no such folder")
            return False
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                self.find(Problem.FILE_UNEXPECTED, name, "a link, or no plain file")
            elif path.is_file():
                self.files[name] = _sha256_of(path)
        return True

    def read_manifest(self) -> bool:
        """Compare the files with the manifest, which may be written in one way only."""
        if MANIFEST not in self.files:
            self.find(Problem.MANIFEST, MANIFEST, "no such file")
            return False
        try:
            content = self.content_of(MANIFEST)
            manifest = _object(_json(content))
            if manifest.keys() != {"files", "format", "left_out", "starts", "without_raw"}:
                raise Unreadable("it has other fields than a manifest has")
            if manifest["format"] != FORMAT:
                raise Unreadable(f"its format is {manifest['format']!r}; this program reads {FORMAT}")
            if manifest_bytes(manifest) != content:
                raise Unreadable("it is not written as exports are")
            listed = {_text(path): _sha256(sha256) for path, sha256 in _object(manifest["files"]).items()}
            self.left_out = {_text(path): _sha256(sha256) for path, sha256 in _object(manifest["left_out"]).items()}
            if not isinstance(manifest["starts"], list) or not isinstance(manifest["without_raw"], bool):
                raise Unreadable("its starts or its without_raw are none")
            if self.left_out and not manifest["without_raw"]:
                raise Unreadable("it leaves files out and says that it does not")
        except _GARBLED as garbled:
            self.find(Problem.MANIFEST, MANIFEST, str(garbled))
            return False
        self.manifest = manifest
        for path in sorted({*listed, *_ALWAYS}):
            if path not in self.files:
                self.find(Problem.FILE_MISSING, path, "no such file")
            elif path not in listed:
                self.find(Problem.MANIFEST, path, "the manifest does not list it")
            elif self.files[path] != listed[path]:
                self.find(Problem.FILE_CHANGED, path, f"its SHA-256 is {self.files[path]}, not {listed[path]}")
            else:
                self.report.checked["files"] += 1
        for path in sorted(self.files.keys() - listed.keys() - {MANIFEST, *_ALWAYS}):
            self.find(Problem.FILE_UNEXPECTED, path, "the manifest does not list it")
        return True

    def content_of(self, path: str) -> bytes:
        """Return a file's bytes; only of a path that the walk over the folder met."""
        if path not in self.files:
            raise Unreadable(f"there is no {path}")
        return (self.folder / path).read_bytes()

    def holds_bytes(self, entry: Entry, path: str, sha256: Any, *, may_be_left_out: bool = False) -> bool:
        """Check that the file at a path is the one that an entry names by its SHA-256; say whether it is there."""
        wanted = _sha256(sha256)
        self.explained.add(path)
        if path in self.files:
            if self.files[path] != wanted:
                self.find(Problem.BYTES, path, f"{entry.where} ({entry.kind}) names {wanted}, it is {self.files[path]}")
                return False
            return True
        if may_be_left_out and self.left_out.get(path) == wanted:
            self.expected_left_out.add(path)
            self.report.checked["data files left out"] += 1
        else:
            self.find(Problem.FILE_MISSING, path, f"{entry.where} ({entry.kind}) names it")
        return False

    # -- keys and the tree

    def read_keys(self) -> None:
        """Settle whom to believe: the reader's word goes before the folder's."""
        in_folder = self._folder_key(LOG_KEY)
        if self.log_key and in_folder and in_folder != self.log_key:
            self.find(Problem.LOG_KEY, LOG_KEY, f"it is {in_folder.text}, not the key that you gave")
        self.log_key = self.log_key or in_folder
        if self.log_key is None:
            self.find(Problem.LOG_KEY, LOG_KEY, "the export has no key of the log: give it with --log-key")
        else:
            named = _LOG_NAME.fullmatch(self.log_key.name)
            if self.log_key.cosigns or (named and not self.log_key.public.hex().startswith(named[1])):
                self.find(Problem.LOG_KEY, LOG_KEY, f"{self.log_key.text} is not the key that its name says")
            self._trust("the log", self.log_key, told=self.told_log_key)
        witness = self._folder_key(WITNESS_KEY)
        if self.told_witness and witness and witness not in self.witness_keys:
            self.find(Problem.WITNESS_KEY, WITNESS_KEY, f"it is {witness.text}, not a key that you gave")
        if not self.told_witness:
            self.witness_keys = (witness,) if witness else ()
        for key in self.witness_keys:
            if not key.cosigns:
                self.find(Problem.WITNESS_KEY, WITNESS_KEY, f"{key.text} is no witness's key")
            self._trust("the witness", key, told=self.told_witness)

    def _folder_key(self, path: str) -> Key | None:
        if path not in self.files:
            return None
        try:
            content = self.content_of(path).decode()
            key = Key.parse(content)
            if content != f"{key.text}\n":
                raise Unreadable("it is not a key alone in one line")
            return key
        except _GARBLED as garbled:
            self.find(Problem.MALFORMED, path, str(garbled))
            return None

    def _trust(self, whose: str, key: Key, *, told: bool) -> None:
        word = "as you gave it" if told else "BELIEVED FROM THE FOLDER, on the exporter's word alone"
        self.report.trusted.append(f"{whose}: {key.text}, {word}")

    def check_tree(self) -> None:
        """Check the checkpoint, what the witness saw, and that every entry is in the log that they signed."""
        try:
            proofs = _object(_json(self.content_of(PROOFS)))
            if proofs.keys() != {"consistency", "inclusion"}:
                raise Unreadable("it has other fields than proofs have")
            inclusion, consistency = _object(proofs["inclusion"]), _object(proofs["consistency"])
            checkpoint = Checkpoint.parse(self.content_of(CHECKPOINT).decode())
        except _GARBLED as garbled:
            self.find(Problem.MALFORMED, f"{CHECKPOINT}, {PROOFS}", str(garbled))
            return
        self._check_log_signature(CHECKPOINT, checkpoint)
        self._look(CHECKPOINT, checkpoint)
        notes = [path for path in self.files if path.startswith("witness/")]
        for path in sorted({*notes, *consistency}):
            self._check_note(path, checkpoint, consistency.get(path))
        if inclusion.keys() != {str(entry.sequence) for entry in self.entries}:
            self.find(Problem.UNPROVEN, PROOFS, "its proofs are of other entries than the export's")
        for entry in self.entries:
            try:
                proof = _hashes(inclusion.get(str(entry.sequence)))
                holds = _includes(entry.content, entry.sequence - 1, checkpoint.size, proof, checkpoint.root)
            except _GARBLED as garbled:
                self.find(Problem.UNPROVEN, entry.where, f"its proof cannot be read: {garbled}")
                continue
            if holds:
                self.report.checked["entries proven to be in the log"] += 1
            else:
                self.find(Problem.UNPROVEN, entry.where, f"{entry.kind} {entry.id} is not in the log that was signed")
        self._check_witnessed()

    def _check_note(self, path: str, checkpoint: Checkpoint, proof: Any) -> None:
        """Check one more checkpoint: signed, cosigned, and of the same log."""
        self.explained.add(path)
        if path not in self.files:
            self.find(Problem.FILE_MISSING, path, f"{PROOFS} proves something of it")
            return
        try:
            note = Checkpoint.parse(self.content_of(path).decode())
            if not self.witness_keys:
                self.find(Problem.WITNESS_KEY, path, "no witness's key is known: give it with --witness-key")
                return
            old, new = sorted((note, checkpoint), key=lambda each: each.size)
            if not _continues(old.size, old.root, new.size, new.root, _hashes(proof)):
                self.find(Problem.FORKED, path, "what the witness saw is not the log of this export")
                return
        except _GARBLED as garbled:
            self.find(Problem.MALFORMED, path, str(garbled))
            return
        if self._check_log_signature(path, note) and not self._look(path, note):
            self.find(Problem.WITNESS_SIGNATURE, path, "no witness that is believed has cosigned it")

    def _check_log_signature(self, path: str, checkpoint: Checkpoint) -> bool:
        if self.log_key is None:
            return False
        try:
            is_signed = checkpoint.signed_at(self.log_key) is not None
        except Unreadable:
            is_signed = False
        if not is_signed or checkpoint.origin != self.log_key.name:
            self.find(Problem.LOG_SIGNATURE, path, f"{self.log_key.name} has not signed it")
            return False
        self.report.checked["checkpoints signed by the log"] += 1
        return True

    def _look(self, path: str, checkpoint: Checkpoint) -> bool:
        """Note when the witness saw the log at this size; say whether it did."""
        known = {(key.name, key.id) for key in (self.log_key, *self.witness_keys) if key}
        for name, content in checkpoint.signatures:
            if self.log_key and (name, content[:4]) not in known:
                self.find(Problem.WITNESS_SIGNATURE, path, f"a line is signed by a key of {name} that is not known")
        for key in self.witness_keys:
            try:
                at = checkpoint.signed_at(key)
            except (Unreadable, OverflowError, OSError, ValueError):
                self.find(Problem.WITNESS_SIGNATURE, path, f"it is not what {key.name} cosigned")
                return True
            if at is not None:
                self.looks.append((checkpoint.size, at))
                self.report.checked["checkpoints cosigned by the witness"] += 1
                return True
        return False

    def _check_witnessed(self) -> None:
        seen = max((size for size, _ in self.looks), default=0)
        unseen = [entry for entry in self.entries if entry.sequence > seen]
        if not unseen:
            at = min(at for size, at in self.looks if size >= self.entries[-1].sequence) if self.entries else None
            self.report.notes.append(f"a witness had seen every entry by {at:%Y-%m-%d %H:%M:%S} UTC" if at else "")
        elif self.told_witness:
            said = f"and {len(unseen) - 1} more: no witness that you gave has vouched for them"
            self.find(Problem.UNWITNESSED, unseen[0].where, said)
        else:
            self.report.notes.append(
                f"NO WITNESS has vouched for {len(unseen)} of {len(self.entries)} entries, from entry "
                f"{unseen[0].sequence} on: they rest on the log's own word"
            )

    # -- entries

    def read_entries(self) -> None:
        """Read every entry, in the log's order."""
        for path in sorted(self.files):
            if not (match := _ENTRY_PATH.fullmatch(path)):
                continue
            self.explained.add(path)
            try:
                entry = Entry.parse(int(match[1]), self.content_of(path))
            except _GARBLED as garbled:
                self.find(Problem.MALFORMED, f"entry {int(match[1])}", str(garbled))
                continue
            self.entries.append(entry)
            if entry.id in self.by_id:
                self.find(Problem.MISNAMED, entry.where, f"entry {self.by_id[entry.id].sequence} has its id already")
            self.by_id.setdefault(entry.id, entry)

    def check_entries(self) -> None:
        """Check what each entry says of itself and of what it was made from."""
        checks: Mapping[str, Callable[[Entry], None]] = {
            "model_bundle": self._check_bundle,
            "evaluation": self._check_evaluation,
            "approval": self._check_approval,
            "deployment": self._check_deployment,
            "decision": self._check_decision,
            "order_intent": self._check_order,
            "outcome": self._check_outcome,
            "feature_version": self._check_accepted,
            "training_set": self._check_accepted,
        }
        before: datetime | None = None
        for entry in self.entries:
            if entry.stands_for != entry.id:
                self.find(Problem.MISNAMED, entry.where, f"its id is {entry.id}, its content's {entry.stands_for}")
            if before and entry.recorded_at < before:
                self.find(Problem.BACK_DATED, entry.where, f"{entry.recorded_at} is before the entry before it")
            before = max(before or entry.recorded_at, entry.recorded_at)
            if entry.kind not in KINDS:
                self.find(Problem.MALFORMED, entry.where, f"this program knows no {entry.kind}; take a newer one")
            self._check_moment(entry)
            try:
                if self._check_parents(entry):
                    self._check_links(entry)
                for name, folder, is_data in _NAMED_BYTES.get(entry.kind, ()):
                    if (sha256 := entry.said(name)) is not None:
                        held = self.holds_bytes(entry, f"{folder}/{_sha256(sha256)}", sha256, may_be_left_out=is_data)
                        self.report.checked[f"{_CALLED[folder]} held to their SHA-256"] += held
                if check := checks.get(entry.kind):
                    check(entry)
            except _GARBLED as garbled:
                self.find(Problem.MALFORMED, entry.where, f"{entry.kind}: {type(garbled).__name__} {garbled}")

    def _check_moment(self, entry: Entry) -> None:
        """Hold an entry's time to what the witness saw before and after."""
        before = [at for size, at in self.looks if size < entry.sequence]
        after = [at for size, at in self.looks if size >= entry.sequence]
        if before and entry.recorded_at < max(before) - _WITNESS_LAG:
            self.find(
                Problem.BACK_DATED, entry.where, f"{entry.recorded_at}: the witness had not seen it {max(before)}"
            )
        if after and entry.recorded_at > min(after) + _WITNESS_LAG:
            self.find(Problem.BACK_DATED, entry.where, f"{entry.recorded_at}: the witness saw it {min(after)} already")

    def _check_parents(self, entry: Entry) -> bool:
        lacking = False
        for parent_id, role in entry.parents:
            parent = self.by_id.get(parent_id)
            if parent is None or parent.sequence >= entry.sequence:
                what = "not in the export" if parent is None else f"entry {parent.sequence}, which is later"
                self.find(Problem.EDGE, entry.where, f"the {role} of this {entry.kind}, {parent_id}, is {what}")
                lacking = True
            elif parent.kind not in _ROLES.get(role, KINDS):
                self.find(Problem.EDGE, entry.where, f"the {role} of this {entry.kind} is a {parent.kind}")
            else:
                self.report.checked["edges"] += 1
        return not lacking

    def _check_links(self, entry: Entry) -> None:
        for name, role, called_by in _LINKS.get(entry.kind, ()):
            said, parents = entry.said(name), list(self.parents(entry, role))
            for called in called_by:
                found = [parent.id if called == "id" else parent.said(called) for parent in parents]
                if said == found or (len(found) == 1 and said == found[0]):
                    break
            else:
                self.find(Problem.CONTRADICTION, entry.where, f"its {name} is {said}, its {role} another")

    def parents(self, entry: Entry, role: str) -> Iterator[Entry]:
        """Yield the parents in one role, in recorded order."""
        return (self.by_id[parent] for parent, as_what in entry.parents if as_what == role and parent in self.by_id)

    def _check_accepted(self, entry: Entry) -> None:
        for role in ("accepted", "labels"):
            for receipt in self.parents(entry, role):
                if receipt.said("verdict") != "accepted":
                    self.find(Problem.CONTRADICTION, entry.where, f"{receipt.where} did not let its rows in")

    def _check_bundle(self, entry: Entry) -> None:
        """Hold a bundle's manifest to its digest, and its files to the manifest."""
        digest = _sha256(entry.identity["digest"])
        path = f"bundles/{digest}/manifest.json"
        if not self.holds_bytes(entry, path, digest):
            self.find(Problem.BUNDLE, entry.where, f"the manifest of bundle {digest} is not the one of its digest")
            return
        manifest = _object(_json(self.content_of(path)))
        for name, record in _object(manifest["files"]).items():
            file = f"bundles/{digest}/{name}"
            if not self.holds_bytes(entry, file, record["sha256"]):
                self.find(Problem.BUNDLE, entry.where, f"{name} of bundle {digest} is not the one of its digest")
        said = {name: manifest[name] for name in ("family", "training_set", "training_run")}
        if differing := [name for name, value in said.items() if entry.detail.get(name) != value]:
            self.find(Problem.BUNDLE, entry.where, f"bundle {digest} names another {', '.join(differing)}")
        trained_on = [run.said("training_set") for run in self.parents(entry, "run")]
        if trained_on != [manifest["training_set"]]:
            self.find(Problem.CONTRADICTION, entry.where, "its training run was on another training set")
        self.report.checked["bundles held to their digest, file by file"] += 1

    def _check_evaluation(self, entry: Entry) -> None:
        passed = [gate["passed"] for gate in entry.identity["gates"]]
        if entry.identity["passed"] is not all(each is True for each in passed):
            self.find(Problem.CONTRADICTION, entry.where, "its verdict is not that of its gates")

    def _revoked_before(self, entry: Entry, public: bytes) -> bool:
        return any(
            bytes.fromhex(_text(other.identity["public_key"])) == public
            for other in self.entries
            if other.kind == "key_revocation" and other.sequence < entry.sequence
        )

    def _check_approval(self, entry: Entry) -> None:
        """Verify a signature over the statement, by the key that was its approver's when it was recorded."""
        said = {name: _text(entry.identity[name]) for name in _STATEMENT}
        approver, signed_at = said["approver"], _instant(said["signed_at"])
        keys = [
            key
            for key in self.entries
            if key.kind == "signing_key" and key.sequence < entry.sequence and _same(key.said("name"), approver)
        ]
        if not keys or keys[-1].id != entry.identity["key"]:
            detail = f"{entry.identity['key']} was not the newest key of {approver} on record before this"
            self.find(Problem.UNKNOWN_KEY, entry.where, detail)
        else:
            statement = _statement(said)
            public = bytes.fromhex(_text(keys[-1].identity["public_key"]))
            if not _is_signed(public, bytes.fromhex(_text(entry.identity["signature"])), statement):
                self.find(Problem.SIGNATURE, entry.where, f"{approver} has not signed this statement")
            else:
                self.report.checked["approvals whose signature holds"] += 1
            if self._revoked_before(entry, public):
                self.find(Problem.REVOKED_KEY, entry.where, f"the key of {approver} had been revoked before this")
            if signed_at < keys[-1].recorded_at - _CLOCKS_APART:
                self.find(Problem.BACK_DATED, entry.where, f"signed {signed_at}, before the key was on record")
        if signed_at > entry.recorded_at + _CLOCKS_APART:
            self.find(Problem.BACK_DATED, entry.where, f"recorded {entry.recorded_at}, before it was signed")
        if entry.recorded_at >= _instant(said["expires_at"]) + _COMMIT:
            self.find(Problem.EXPIRED, entry.where, f"it had lapsed at {said['expires_at']} when it was recorded")
        for evaluation in self.parents(entry, "evaluation"):
            if evaluation.said("bundle") != said["bundle"]:
                self.find(Problem.OTHER_MODEL, entry.where, "the evaluation that was signed for is of another bundle")
            if evaluation.said("passed") is not True:
                self.find(Problem.GATES_REFUSED, entry.where, f"the gates refused the model ({evaluation.where})")
            for bundle in self.parents(evaluation, "bundle"):
                self._check_approved_bundle(entry, bundle, said)

    def _check_approved_bundle(self, entry: Entry, bundle: Entry, said: Mapping[str, str]) -> None:
        """Hold an approval to the bundle that was evaluated for it, and keep out those who trained it."""
        if (bundle.said("digest"), bundle.said("detail.family"), bundle.said("detail.training_set")) != (
            said["bundle"],
            said["family"],
            said["training_set"],
        ):
            self.find(Problem.OTHER_MODEL, entry.where, f"{bundle.where} is not the bundle that was signed for")
        for made in (bundle, *self.parents(bundle, "run")):
            if made.detail.get("trained_by") and _same(made.detail["trained_by"], said["approver"]):
                self.find(Problem.TRAINED_IT, entry.where, f"{said['approver']} has trained the model")

    def _check_deployment(self, entry: Entry) -> None:
        """Hold a deployment to the approvals that it rests on."""
        approvals = list(self.parents(entry, "approval"))
        if not approvals:
            self.find(Problem.NOT_APPROVED, entry.where, "it rests on no approval")
        for approval in approvals:
            self._check_relied_on(entry, approval)
            for name in ("family", "bundle"):
                if approval.said(name) != entry.said(name):
                    self.find(Problem.OTHER_MODEL, entry.where, f"{approval.where} approves of another {name}")
            for bundle in self.parents(entry, "bundle"):
                if approval.said("training_set") != bundle.said("detail.training_set"):
                    self.find(Problem.OTHER_MODEL, entry.where, f"{approval.where} is of another training set")
            if approval.said("environment") != entry.said("environment"):
                detail = f"{approval.where} is for {approval.said('environment')}, not {entry.said('environment')}"
                self.find(Problem.WRONG_ENVIRONMENT, entry.where, detail)
        self.report.checked["deployments held to their approvals"] += 1

    def _check_relied_on(self, entry: Entry, approval: Entry) -> None:
        if entry.recorded_at >= _instant(approval.said("expires_at")) + _COMMIT:
            self.find(Problem.EXPIRED, entry.where, f"{approval.where} had lapsed at {approval.said('expires_at')}")

    def _check_decision(self, entry: Entry) -> None:
        """Hold a decision to its bytes, to its name, and to approvals that had not lapsed."""
        decision_id = _sha256(entry.identity["decision_id"])
        subject = {"family": _text(entry.identity["family"]), "subject": _text(entry.detail["subject"])}
        if hashlib.sha256(_canonical_texts(subject)).hexdigest() != decision_id:
            self.find(Problem.MISNAMED, entry.where, "its decision id is not that of its family and subject")
        for name, sha256 in (
            ("event", entry.detail["event"]),
            ("vector", entry.detail["vector"]),
            ("answer", entry.identity["answer"]),
        ):
            self.holds_bytes(entry, f"decisions/{decision_id}/{name}.json", sha256)
        for deployment in self.parents(entry, "deployment"):
            for approval in self.parents(deployment, "approval"):
                self._check_relied_on(entry, approval)
        self.report.checked["decisions held to their request, event, vector and answer"] += 1

    def _check_order(self, entry: Entry) -> None:
        """Hold an order to the decision that it came from, and to what was to be sent where no risk rule denied it."""
        path = f"orders/{_text(entry.identity['client_order_id'])}/body"
        if entry.identity["allowed"] is True:
            self.holds_bytes(entry, path, entry.identity["body"])
        for decision in self.parents(entry, "decision"):
            if decision.said("bundle") != entry.said("bundle"):
                self.find(Problem.CONTRADICTION, entry.where, "its decision is by another bundle")
        self.report.checked["orders held to their decision"] += 1

    def _check_outcome(self, entry: Entry) -> None:
        """Hold an outcome to what says so: the receipt of its label, or the venue's event of its order."""
        said_by: dict[str, list[Entry]] = {}
        for name, role in (("detail.label", "label"), ("intent", "intent"), ("event", "event")):
            said, said_by[role] = entry.said(name), list(self.parents(entry, role))
            if [parent.id for parent in said_by[role]] != ([] if said is None else [said]):
                self.find(Problem.CONTRADICTION, entry.where, f"its {name} is {said}, its {role} another")
        if not said_by["label"] and not (said_by["intent"] and said_by["event"]):
            self.find(Problem.CONTRADICTION, entry.where, "no label and no event of an order says so")
        for receipt in said_by["label"]:
            if receipt.said("verdict") != "accepted":
                self.find(Problem.CONTRADICTION, entry.where, f"{receipt.where} did not let its label in")
        for intent in said_by["intent"]:
            if [parent.id for parent in self.parents(intent, "decision")] != [entry.said("decision")]:
                self.find(Problem.CONTRADICTION, entry.where, f"{intent.where} followed another decision")
            for event in said_by["event"]:
                self._check_trade(entry, intent, event)
        self.report.checked["outcomes held to what says so"] += 1

    def _check_trade(self, entry: Entry, intent: Entry, event: Entry) -> None:
        """Hold a fill to the venue's words, and a gain to its own arithmetic."""
        came = _object(entry.identity["came"])
        if event.said("client_order_id") != intent.said("client_order_id"):
            self.find(Problem.CONTRADICTION, entry.where, f"{event.where} is of another order")
        filled, price = came.get("filled", event.said("filled")), came.get("price", came.get("average_price"))
        if (filled, price) != (event.said("filled"), event.said("average_price")):
            self.find(Problem.CONTRADICTION, entry.where, f"{event.where} says another quantity or price")
        if "gain" in came:
            closed, cost, gain = (_decimal(came[name]) for name in ("closed", "cost", "gain"))
            worth = (_decimal(price) - cost) * closed * (1 if intent.said("side") == "sell" else -1)
            if gain != worth:
                self.find(Problem.CONTRADICTION, entry.where, f"its gain is {gain}, and {worth} by its own figures")

    # -- the whole

    def check_explained(self) -> None:
        """Check that nothing is there that nothing speaks of, and that what was asked for is there."""
        for path in sorted(self.files.keys() - self.explained):
            self.find(Problem.FILE_UNEXPECTED, path, "no entry speaks of it")
        for path in sorted(self.left_out.keys() - self.expected_left_out):
            self.find(Problem.MANIFEST, path, "said to be left out, but no entry names it, or it is there")
        reached: set[str] = set()
        for start in self._starts():
            waiting = [start.id]
            while waiting:
                if (leaf_id := waiting.pop()) in self.by_id and leaf_id not in reached:
                    reached.add(leaf_id)
                    waiting += [parent for parent, _ in self.by_id[leaf_id].parents]
        for entry in self.entries:
            if entry.id not in reached and entry.kind not in ("signing_key", "key_revocation"):
                self.find(Problem.FILE_UNEXPECTED, entry.path, "nothing that was asked for was made from it")

    def _starts(self) -> list[Entry]:
        found = []
        for start in self.manifest["starts"]:
            try:
                if start.keys() != {"id", "kind", "name", "sequence"}:
                    raise Unreadable("a start has id, kind, name and sequence")
                entry = self.by_id.get(start["id"])
            except _GARBLED as garbled:
                self.find(Problem.MANIFEST, MANIFEST, f"starts: {garbled}")
                continue
            if entry is None or (start["kind"], start["sequence"]) != (entry.kind, entry.sequence):
                self.find(Problem.MANIFEST, MANIFEST, f"{start['id']}, which was asked for, is not in the export so")
            elif not _is_called(entry, str(start["name"])):
                self.find(Problem.MANIFEST, MANIFEST, f"{entry.where} is not called {start['name']!r}")
            else:
                found.append(entry)
        if not found:
            self.find(Problem.MANIFEST, MANIFEST, "nothing that was asked for is in the export")
        return found

    def tell(self) -> None:
        """Say in plain words what stands behind the first decision, or behind the first thing asked for."""
        if left_out := self.report.checked["data files left out"]:
            self.report.notes.append(
                f"{left_out} data files were left out by the exporter: their names hold, their bytes are not here"
            )
        self.report.notes = [note for note in self.report.notes if note]
        decisions = [entry for entry in self.entries if entry.kind == "decision"]
        starts = [self.by_id[start["id"]] for start in self.manifest["starts"] if start.get("id") in self.by_id]
        first = next((entry for entry in starts if entry in decisions), next(iter(decisions or starts), None))
        if first is None:
            return
        try:
            self.report.story = list(self._story(first))
        except _GARBLED as garbled:
            self.report.notes.append(f"what stands behind {first.where} cannot be told: {garbled}")

    def _seen(self, entry: Entry) -> str:
        after = [at for size, at in self.looks if size >= entry.sequence]
        return f"; a witness saw it by {min(after):%Y-%m-%d %H:%M:%S} UTC" if after else ""

    def _story(self, start: Entry) -> Iterator[str]:
        behind: dict[str, list[Entry]] = {}
        waiting, met = [start], set()
        while waiting:
            entry = waiting.pop()
            if entry.id not in met:
                met.add(entry.id)
                behind.setdefault(entry.kind, []).append(entry)
                waiting += [self.by_id[parent] for parent, _ in entry.parents if parent in self.by_id]
        yield f"{start.kind} {start.said('decision_id') or start.id}, recorded {start.recorded_at} as {start.where}"
        for entry in self.entries:
            if entry.kind == "outcome" and entry.said("decision") == start.id:
                came = ", ".join(f"{name} {value}" for name, value in _object(entry.identity["came"]).items())
                yield f"  what came of it: {came}, known from {entry.said('known_at')} on, {entry.where}"
        tellers: Mapping[str, Callable[[Entry], str]] = {
            "request": lambda e: f"asked in {e.detail.get('bytes')} bytes, SHA-256 {e.said('sha256')}",
            "deployment": lambda e: (
                f"answered by the model deployed to {e.said('job')} in {e.said('environment')} by "
                f"{e.detail.get('deployed_by')} at {e.detail.get('deployed_at')}"
            ),
            "model_bundle": lambda e: (
                f"model {e.detail.get('family')}@{e.detail.get('model_version')}, digest {e.said('digest')}"
            ),
            "approval": lambda e: (
                f"approved by {e.said('approver')} as {e.said('role')} for {e.said('environment')}, signed "
                f"{e.said('signed_at')}, until {e.said('expires_at')}{self._seen(e)}"
            ),
            "evaluation": lambda e: (
                f"judged at {len(e.identity['gates'])} gates, {'passed' if e.said('passed') is True else 'REFUSED'}"
            ),
            "training_run": lambda e: f"trained by {e.detail.get('trained_by')}, run {e.id[:_SHOWN_DIGITS]}",
            "training_set": lambda e: (
                f"on {e.said('rows')} rows as known at {e.said('as_of')}, set {e.id[:_SHOWN_DIGITS]}"
            ),
            "feature_version": lambda e: f"from features {e.said('view')}, version {e.id[:_SHOWN_DIGITS]}",
            "validation_receipt": lambda e: f"{e.said('dataset')} {e.said('verdict')}, receipt {e.id[:_SHOWN_DIGITS]}",
            "raw_file": lambda e: f"raw file {e.detail.get('path')}, SHA-256 {e.said('sha256')}",
        }
        for kind, teller in tellers.items():
            found = sorted(behind.get(kind, []), key=lambda entry: entry.sequence)
            yield from (f"  {teller(entry)}" for entry in found[:5])
            if len(found) > 5:
                yield f"  ... and {len(found) - 5} more of {kind}"


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Write a manifest in the one way in which it is written."""
    return (json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


# -- reading


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a name stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise Unreadable(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_constant=_no_constant)
# What reading something hostile may raise; a defect of this program would be one of these too, and is then a finding.
_GARBLED = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError, OSError)


def _json(content: bytes) -> Any:
    return _DECODER.decode(content.decode())


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable("it must be a JSON object")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"{value!r} must be a text")
    return value


def _sha256(value: Any) -> str:
    if not _SHA256.fullmatch(_text(value)):
        raise Unreadable(f"{value!r} is no SHA-256")
    return str(value)


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(_text(value))
    except ArithmeticError as garbled:
        raise Unreadable(f"{value!r} is no number") from garbled
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise Unreadable(f"{value!r} is no amount")
    return number


def _instant(value: Any) -> datetime:
    return datetime.strptime(_text(value), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def _base64(text: str) -> bytes:
    content = base64.b64decode(text, validate=True)
    if base64.b64encode(content).decode() != text:  # its last digits may be spelt in several ways
        raise Unreadable(f"{text!r} is not base64 as it is written here")
    return content


def _hashes(value: Any) -> list[bytes]:
    if not isinstance(value, list):
        raise Unreadable("there is no proof")
    return [bytes.fromhex(_sha256(each)) for each in value]


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_READ_AT_ONCE):
            digest.update(chunk)
    return digest.hexdigest()


def _canonical_texts(texts: Mapping[str, str]) -> bytes:
    """Write texts under ASCII names as RFC 8785 does."""
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _statement(said: Mapping[str, str]) -> bytes:
    """Return the bytes that an approver signs."""
    return _canonical_texts({"purpose": _PURPOSE, **said})


def _is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _same(name: Any, other: str) -> bool:
    """Whether two spellings name one person (The Unicode Standard, section 3.13, caseless matching)."""
    return _person(_text(name)) == _person(other)


def _person(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in folded if unicodedata.category(letter) != "Cf").strip()


def _is_called(entry: Entry, name: str) -> bool:
    """Whether a person may have meant an entry by a name: its id or what else it goes by, or the beginning of one."""
    said = {**entry.detail, **entry.identity}
    fields = ("decision_id", "digest", "sha256", "path", "manifest", "tag", "client_order_id")
    names = [entry.id, *(str(said[each]) for each in fields if said.get(each))]
    if entry.kind == "model_bundle":
        names.append(f"{said.get('family')}@{said.get('model_version')}")
    return name in names or (len(name) >= 6 and any(each.startswith(name) for each in names))


# -- the Merkle tree (RFC 9162, sections 2.1.3.2 and 2.1.4.2)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _includes(content: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether an entry's bytes are proven to stand at an index of the tree."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, hashlib.sha256(b"\x00" + content).digest()
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = _node(sibling, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = _node(found, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root


def _continues(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of ``old`` entries is proven to be the beginning of that of ``new``."""
    if old in (0, new):
        return not proof and old_root == (new_root if old else hashlib.sha256(b"").digest())
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path or old > new:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    was = now = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            was, now = _node(sibling, was), _node(sibling, now)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            now = _node(now, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and (was, now) == (old_root, new_root)


# -- telling


def describe(report: Report) -> Iterator[str]:
    """Yield the report's lines for a person."""
    if report.holds:
        yield "THE EXPORT HOLDS."
    else:
        yield f"THE EXPORT DOES NOT HOLD: {len(report.findings)} finding(s), the first: {report.findings[0]}"
    yield "\nChecked"
    yield from (f"  {count:>6} {what}" for what, count in report.checked.items() if count)
    yield "\nBelieved"
    yield from (f"  {line}" for line in report.trusted)
    if report.notes:
        yield "\nNote"
        yield from (f"  {line}" for line in report.notes)
    if report.story:
        yield "\nWhat stands behind it" if report.holds else "\nWhat is SAID to stand behind it"
        yield from (f"  {line}" for line in report.story)
    if not report.holds:
        yield "\nFindings"
        yield from (f"  {finding}" for finding in report.findings[:_MOST_SHOWN])
        if len(report.findings) > _MOST_SHOWN:
            yield f"  ... and {len(report.findings) - _MOST_SHOWN} more (--json writes all)"


def _shown(line: str) -> str:
    """Return a line as a terminal may show it: what the export says must not move the cursor."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in line)


def _key(text: str) -> Key:
    """Read a key that the reader gave: its line, or a file that holds it."""
    try:
        path = Path(text)
        return Key.parse(path.read_text(encoding="utf-8") if "+" not in text and path.is_file() else text)
    except ValueError as garbled:
        raise argparse.ArgumentTypeError(str(garbled)) from garbled


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the folder that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(description="Check a folder of exported Ledgerline evidence, offline.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--log-key", type=_key, metavar="VKEY", help="the log's public key, or a file that holds it")
    parser.add_argument(
        "--witness-key",
        type=_key,
        metavar="VKEY",
        action="append",
        default=[],
        help="a witness's public key, or a file that holds it; may be given again",
    )
    parser.add_argument("--json", action="store_true", help="write the report as JSON")
    given = parser.parse_args(arguments)
    report = verify(given.folder, given.log_key, given.witness_key)
    if given.json:
        sys.stdout.write(json.dumps(report.to_json(), indent=1) + "\n")
    else:
        sys.stdout.writelines(f"{_shown(line)}\n" for line in describe(report))
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
