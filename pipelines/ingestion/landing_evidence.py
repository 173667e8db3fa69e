"""What the evidence log knows and learns about landed files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.audit.personal import PersonalColumns
from ledgerline.core.clock import instant_text
from ledgerline.core.contracts import DatasetContract
from pipelines.ingestion.batch_file import BatchFiles
from pipelines.ingestion.file_pattern import SourceFile
from pipelines.ingestion.reasons import FileRefused

_BatchKey = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class KeptBytes:
    """A file's bytes, kept.

    Attributes:
        sha256: Of the object that holds them: they themselves, or sealed.
        size: Their number, as received.
        fingerprint: By what a sealed file is known again; None for one that is kept as received.
    """

    sha256: str
    size: int
    fingerprint: str | None = None

    @property
    def known_by(self) -> str:
        """What another copy of the same bytes is recognised by."""
        return self.fingerprint or self.sha256

    @property
    def of_sealed(self) -> dict[str, str]:
        """What evidence says besides, of sealed bytes."""
        return {"fingerprint": self.fingerprint} if self.fingerprint else {}


@dataclass(frozen=True, slots=True)
class LandingEvidence:
    """The evidence of landing one feed of one source.

    Attributes:
        ledger: Where it is kept.
        source: The source's name.
        contract: What the rows become, the provider's own columns included.
        feed: The feed's fingerprint.
        feeds: Those of all feeds that fill the dataset with it.
        personal: Which of its columns say who somebody is.
        landed: Batch leaf by what the raw bytes are known by and the parts of the file's name that rows are made from,
            as of when this was opened and as recorded since.
        refused: Refusal leaf by what the raw bytes are known by.
    """

    ledger: Ledger
    source: str
    contract: DatasetContract
    feed: str
    feeds: tuple[str, ...]
    personal: PersonalColumns | None = None
    landed: dict[_BatchKey, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        ledger: Ledger,
        *,
        source: str,
        contract: DatasetContract,
        feed: str,
        feeds: tuple[str, ...],
        personal: PersonalColumns | None = None,
    ) -> "LandingEvidence":
        """Look up what landed and what was refused before."""
        evidence = cls(ledger, source, contract, feed, feeds, personal)
        batches = ledger.log.leaves(
            Kind.LANDED_BATCH, dataset=contract.name, contract=contract.fingerprint, mapping=feed
        )
        # A batch whose objects are gone is landed again: the same bytes give the same objects.
        evidence.landed.update(
            {_key_of(leaf.identity): leaf.id for leaf in batches if evidence._is_kept(leaf.identity)}
        )
        refusals = ledger.log.leaves(Kind.REFUSED_FILE, dataset=contract.name, mapping=feed)
        evidence.refused.update({_known_by(leaf.identity): leaf.id for leaf in refusals})
        return evidence

    def batch_of(self, known_by: str, parts: Mapping[str, str]) -> str | None:
        """Return the batch that a file of these bytes and name parts landed as, or None."""
        return self.landed.get(_key(known_by, parts))

    def record_raw(self, file: SourceFile, content: KeptBytes) -> str:
        """Record the raw bytes, which are in the object store, and return their leaf's id."""
        known = {"source": self.source, "path": file.path, "bytes": content.size, "fetched_at": self._now()}
        detail = known | content.of_sealed
        return self.ledger.log.append(Leaf(Kind.RAW_FILE, {"sha256": content.sha256}, detail))

    def record_batch(self, file: SourceFile, content: KeptBytes, parts: Mapping[str, str], batch: BatchFiles) -> str:
        """Put a batch's rows into the object store, record it, and return its leaf's id."""
        objects = self.ledger.objects
        roles = self.contract.roles
        identity = {
            "dataset": self.contract.name,
            "contract": self.contract.fingerprint,
            "mapping": self.feed,
            "raw": content.sha256,
            "rows_object": objects.put_file(batch.rows_path),
            "unreadable_object": None if batch.unreadable_path is None else objects.put_file(batch.unreadable_path),
            "rows": batch.rows,
            "unreadable": batch.unreadable,
            **({"roles": roles} if roles else {}),
            **({"name_parts": dict(parts)} if parts else {}),
            **({"personal": self.personal.as_json()} if self.personal else {}),
            **content.of_sealed,
        }
        detail = {
            "path": file.path,
            "source": self.source,
            "file_date": None if file.file_date is None else file.file_date.isoformat(),
            "landed_at": self._now(),
            **({"feeds": list(self.feeds)} if len(self.feeds) > 1 else {}),
        }
        raw = Leaf(Kind.RAW_FILE, {"sha256": content.sha256}).id
        leaf_id = self.ledger.log.append(Leaf(Kind.LANDED_BATCH, identity, detail), [Parent(raw, "raw")])
        self.landed[_key(content.known_by, parts)] = leaf_id
        return leaf_id

    def record_refusal(self, file: SourceFile, content: KeptBytes, refusal: FileRefused) -> str:
        """Record that a file cannot be read, and return the leaf's id."""
        identity = {
            "raw": content.sha256,
            "dataset": self.contract.name,
            "mapping": self.feed,
            "reason": refusal.reason.value,
            "message": refusal.unquoted if content.fingerprint else str(refusal),
            "row": refusal.row,
            "column": refusal.column,
            **content.of_sealed,
        }
        raw = Leaf(Kind.RAW_FILE, {"sha256": content.sha256}).id
        detail = {"path": file.path, "refused_at": self._now()}
        leaf_id = self.ledger.log.append(Leaf(Kind.REFUSED_FILE, identity, detail), [Parent(raw, "raw")])
        self.refused[content.known_by] = leaf_id
        return leaf_id

    def _now(self) -> str:
        return instant_text(self.ledger.clock.now())

    def _is_kept(self, identity: Mapping[str, Any]) -> bool:
        wanted = (identity["raw"], identity["rows_object"], identity["unreadable_object"])
        return all(sha256 is None or sha256 in self.ledger.objects for sha256 in wanted)


def _key(known_by: str, parts: Mapping[str, str]) -> _BatchKey:
    return known_by, tuple(sorted(parts.items()))


def _key_of(identity: Mapping[str, Any]) -> _BatchKey:
    return _key(_known_by(identity), identity.get("name_parts", {}))


def _known_by(identity: Mapping[str, Any]) -> str:
    return str(identity.get("fingerprint") or identity["raw"])
