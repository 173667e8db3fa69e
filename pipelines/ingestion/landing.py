"""Land files: keep their raw bytes, type their rows, and record both; again and again with the same outcome."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.personal import PersonalColumns
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings
from pipelines.ingestion.batch_file import write_batch
from pipelines.ingestion.file_pattern import SourceFile
from pipelines.ingestion.landing_evidence import KeptBytes, LandingEvidence
from pipelines.ingestion.mapping import Feed
from pipelines.ingestion.mapping_choice import choose_mapping
from pipelines.ingestion.personal_rows import SealedLanding
from pipelines.ingestion.reading import read_rows
from pipelines.ingestion.reasons import FileRefused
from pipelines.ingestion.scratch import remove_abandoned, scratch_folder
from pipelines.ingestion.source import FeedFile, FolderSource, Source
from pipelines.ingestion.stable_read import FileLeft, StableBytes

Progress = Callable[[str], None]


class NoLongerPersonal(LedgerlineError):
    """A mapping does not say any more of a column that it is personal: who was erased would be back in clear."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of file dates, ``start`` included and ``end`` not; a file's date is its midnight in UTC.

    Attributes:
        start: Timezone-aware.
        end: Timezone-aware, not before ``start``.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse a window that could not be meant."""
        if self.start.tzinfo is None or self.end.tzinfo is None or self.end < self.start:
            raise ValueError(f"a window runs from one aware instant to a later one, not {self.start} to {self.end}")

    def holds(self, file: SourceFile) -> bool:
        """Whether the file belongs to the window; an undated file belongs to every one."""
        if file.file_date is None:
            return True
        return self.start <= datetime.combine(file.file_date, time(), tzinfo=UTC) < self.end


@dataclass(frozen=True, slots=True)
class LandingReport:
    """What became of a dataset's files that are in the source (and in the window) now.

    Attributes:
        dataset: The contract's name.
        batches: Landed batch leaf ids in source order, whether they landed now or before.
        new: Those that landed now.
        refused: Refusal leaf ids of files that cannot be read, in source order.
        left: Files that could not be taken now, as ``path: why``; the next run tries again.
    """

    dataset: str
    batches: tuple[str, ...]
    new: tuple[str, ...]
    refused: tuple[str, ...]
    left: tuple[str, ...] = ()


def source_of(settings: Settings) -> Source:
    """Return the source that ``settings`` name.

    Raises:
        MappingInvalid: Its mapping is wrong.
        NoMappingFits: No mapping fits its folder.
    """
    return FolderSource(settings.data_path, choose_mapping(settings))


def mapped_datasets(settings: Settings) -> list[str]:
    """Return the names of the contracts that the source fills."""
    return source_of(settings).datasets()


def source_as_of(settings: Settings, dataset: str | None = None) -> datetime:
    """Return the source's own present, UTC; of a dataset that of its main feed, the first.

    Raises:
        DatasetNotMapped: The source does not have the dataset.
    """
    source = source_of(settings)
    return source.as_of.astimezone(UTC) if dataset is None else source.as_of_feed(source.feeds(dataset)[0])


def source_digest(settings: Settings) -> dict[str, list[tuple[str, str]]]:
    """Return path and SHA-256 of every file that the source holds now, by dataset; files in flux are left out."""
    source = source_of(settings)
    known: dict[str, str | None] = {}
    paths: dict[str, list[str]] = {}
    for dataset in source.datasets():
        files = {found.file.path: found.file for found in source.files(dataset)}
        known |= {path: _present_sha256(source, file) for path, file in files.items() if path not in known}
        paths[dataset] = list(files)
    return {
        dataset: [(path, sha256) for path in found if (sha256 := known[path]) is not None]
        for dataset, found in paths.items()
    }


def land(
    ledger: Ledger, dataset: str, *, window: Window | None = None, progress: Progress | None = None
) -> LandingReport:
    """Land the files of ``dataset`` that are in the source, and are not landed yet.

    Each file lands as a whole or not at all, and by itself: a file that cannot be read, or that is being written, does
    not hold up the others. Killed at any point, or run twice at once, the next run ends in the same evidence.

    Args:
        ledger: Where bytes and evidence go; its settings name the source.
        dataset: A contract's name.
        window: Only files of these dates, and undated ones.
        progress: Told, in a sentence a file, what happened to it.

    Raises:
        MappingInvalid: The source's mapping is wrong.
        NoMappingFits: No mapping fits the data folder.
        DatasetNotMapped: The source does not have the dataset.
        NoSourceFiles: The source has no file of it.
        NoLongerPersonal: A column that was personal would now be kept as it is.
    """
    remove_abandoned(incoming(ledger.settings))
    source = source_of(ledger.settings)
    files = [found for found in source.files(dataset) if window is None or window.holds(found.file)]
    landing = _Landing.of(ledger, source, dataset)
    outcomes = []
    for found in files:
        outcome = landing.take(found)
        outcomes.append(outcome)
        if progress is not None:
            progress(f"{dataset}: {found.file.path}: {outcome.said}")
    return _report(dataset, [found.file for found in files], outcomes)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one file: a batch, a refusal, or neither because it was left."""

    said: str
    batch: str | None = None
    refusal: str | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class _Landing:
    """The landing of one dataset: what is known of each of its feeds, by the feed's fingerprint."""

    source: Source
    evidence: dict[str, LandingEvidence]
    scratch_root: Path

    @classmethod
    def of(cls, ledger: Ledger, source: Source, dataset: str) -> "_Landing":
        feeds = {feed.fingerprint: feed for feed in source.feeds(dataset)}
        _require_still_personal(ledger, dataset, feeds.values())
        evidence = {
            fingerprint: LandingEvidence.open(
                ledger,
                source=source.name,
                contract=feed.contract(dataset),
                feed=fingerprint,
                feeds=tuple(feeds),
                personal=feed.personal_columns,
            )
            for fingerprint, feed in feeds.items()
        }
        return cls(source, evidence, incoming(ledger.settings))

    def take(self, found: FeedFile) -> _Outcome:
        evidence = self.evidence[found.feed.fingerprint]
        parts = found.file.named(found.feed.name_parts)
        try:
            content = self.source.digest(found.file)
            sealing = self._sealing(evidence, found, content)
            known = self._known(evidence, sealing.fingerprint if sealing else content.sha256, parts)
            return known or self._land(evidence, found, parts)
        except FileLeft as left:
            return _Outcome(str(left))

    def _sealing(self, evidence: LandingEvidence, found: FeedFile, content: StableBytes) -> SealedLanding | None:
        """Return how a file with personal data lands; None for one without."""
        if not self.source.is_personal(found.file):
            return None
        return SealedLanding(evidence.ledger, evidence.contract.name, evidence.personal, content)

    def _known(self, evidence: LandingEvidence, known_by: str, parts: dict[str, str]) -> _Outcome | None:
        if (batch := evidence.batch_of(known_by, parts)) is not None:
            return _Outcome("landed before", batch=batch)
        if known_by in evidence.refused:
            return _Outcome("refused before", refusal=evidence.refused[known_by])
        return None

    def _land(self, evidence: LandingEvidence, found: FeedFile, parts: dict[str, str]) -> _Outcome:
        file, feed, contract = found.file, found.feed, evidence.contract
        with scratch_folder(self.scratch_root) as scratch:
            raw_path = scratch / "raw"
            received = self.source.fetch(file, raw_path)
            sealing = self._sealing(evidence, found, received)
            content = sealing.keep(raw_path, scratch) if sealing else _keep(evidence.ledger, raw_path, received)
            evidence.record_raw(file, content)
            try:
                runs = read_rows(raw_path, name=file.path, contract=contract, feed=feed, parts=parts)
                batch = write_batch(scratch, contract, sealing.protected(runs) if sealing else runs)
            except FileRefused as refusal:
                if sealing:
                    sealing.finish(is_refused=True)
                refused = evidence.record_refusal(file, content, refusal)
                said = refusal.unquoted if sealing else str(refusal)
                return _Outcome(f"refused, {said}", refusal=refused, is_new=True)
            if sealing:
                sealing.finish()
            landed = evidence.record_batch(file, content, parts, batch)
        unreadable = f", {batch.unreadable:,} unreadable" if batch.unreadable else ""
        return _Outcome(f"landed {batch.rows:,} rows{unreadable}", batch=landed, is_new=True)


def incoming(settings: Settings) -> Path:
    """Return where files lie, as they came, while they land."""
    return settings.home / "incoming"


def _keep(ledger: Ledger, raw: Path, received: StableBytes) -> KeptBytes:
    """Put a file's bytes into the object store as they were received."""
    ledger.objects.put_file(raw)
    return KeptBytes(received.sha256, received.size)


def _require_still_personal(ledger: Ledger, dataset: str, feeds: Iterable[Feed]) -> None:
    landed = (PersonalColumns.of_batch(leaf.identity) for leaf in ledger.log.leaves(Kind.LANDED_BATCH, dataset=dataset))
    once = {column for columns in landed if columns for column in columns.every}
    for feed in feeds:
        now = feed.personal_columns.every if feed.personal_columns else ()
        if shown := sorted(once.intersection(feed.all_columns).difference(now)):
            raise NoLongerPersonal(
                f"{dataset}: {', '.join(shown)} landed as personal data before, and the mapping does not say so any "
                "more: it would be kept in clear, of erased persons too. Say so again, or use another home"
            )


def _present_sha256(source: Source, file: SourceFile) -> str | None:
    try:
        return source.digest(file).sha256
    except FileLeft:
        return None


def _report(dataset: str, files: list[SourceFile], outcomes: list[_Outcome]) -> LandingReport:
    # Two files of equal bytes are one batch.
    return LandingReport(
        dataset=dataset,
        batches=tuple(dict.fromkeys(o.batch for o in outcomes if o.batch is not None)),
        new=tuple(dict.fromkeys(o.batch for o in outcomes if o.batch is not None and o.is_new)),
        refused=tuple(dict.fromkeys(o.refusal for o in outcomes if o.refusal is not None)),
        left=tuple(
            f"{file.path}: {o.said}"
            for file, o in zip(files, outcomes, strict=True)
            if o.batch is None and o.refusal is None
        ),
    )
