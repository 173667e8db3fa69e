"""Land files: keep their raw bytes, type their rows, and record both; again and again with the same outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from ledgerline.audit import Ledger
from ledgerline.core.contracts import contract_named
from ledgerline.core.settings import Settings
from pipelines.ingestion.batch_file import write_batch
from pipelines.ingestion.file_pattern import SourceFile
from pipelines.ingestion.landing_evidence import LandingEvidence
from pipelines.ingestion.mapping_choice import choose_mapping
from pipelines.ingestion.reading import read_rows
from pipelines.ingestion.reasons import FileRefused
from pipelines.ingestion.scratch import scratch_folder
from pipelines.ingestion.source import FolderSource, Source
from pipelines.ingestion.stable_read import FileLeft

Progress = Callable[[str], None]


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


def source_as_of(settings: Settings) -> datetime:
    """Return the source's own present, UTC."""
    return source_of(settings).as_of.astimezone(UTC)


def source_digest(settings: Settings) -> dict[str, list[tuple[str, str]]]:
    """Return path and SHA-256 of every file that the source holds now, by dataset; files in flux are left out."""
    source = source_of(settings)
    known: dict[str, str | None] = {}
    for dataset in source.datasets():
        for file in source.files(dataset):
            if file.path not in known:
                known[file.path] = _present_sha256(source, file)
    return {
        dataset: [(file.path, sha256) for file in source.files(dataset) if (sha256 := known.get(file.path))]
        for dataset in source.datasets()
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
    """
    source = source_of(ledger.settings)
    files = [file for file in source.files(dataset) if window is None or window.holds(file)]
    landing = _Landing.of(ledger, source, dataset)
    outcomes = []
    for file in files:
        outcome = landing.take(file)
        outcomes.append(outcome)
        if progress is not None:
            progress(f"{dataset}: {file.path}: {outcome.said}")
    return _report(dataset, files, outcomes)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one file: a batch, a refusal, or neither because it was left."""

    said: str
    batch: str | None = None
    refusal: str | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class _Landing:
    source: Source
    dataset: str
    evidence: LandingEvidence
    scratch_root: Path

    @classmethod
    def of(cls, ledger: Ledger, source: Source, dataset: str) -> "_Landing":
        evidence = LandingEvidence.open(
            ledger,
            source=source.name,
            contract=contract_named(dataset),
            mapping=source.mapping(dataset).fingerprint,
        )
        return cls(source, dataset, evidence, ledger.settings.home / "incoming")

    def take(self, file: SourceFile) -> _Outcome:
        try:
            return self._known(self.source.digest(file).sha256) or self._land(file)
        except FileLeft as left:
            return _Outcome(str(left))

    def _known(self, sha256: str) -> _Outcome | None:
        if sha256 in self.evidence.landed:
            return _Outcome("landed before", batch=self.evidence.landed[sha256])
        if sha256 in self.evidence.refused:
            return _Outcome("refused before", refusal=self.evidence.refused[sha256])
        return None

    def _land(self, file: SourceFile) -> _Outcome:
        with scratch_folder(self.scratch_root) as scratch:
            raw_path = scratch / "raw"
            content = self.source.fetch(file, raw_path)
            self.evidence.ledger.objects.put_file(raw_path)
            self.evidence.record_raw(file, content)
            contract, mapping = self.evidence.contract, self.source.mapping(self.dataset)
            try:
                runs = read_rows(raw_path, name=file.path, contract=contract, mapping=mapping)
                batch = write_batch(scratch, contract, runs)
            except FileRefused as refusal:
                refused = self.evidence.record_refusal(file, content, refusal)
                return _Outcome(f"refused, {refusal}", refusal=refused, is_new=True)
            landed = self.evidence.record_batch(file, content, batch)
        unreadable = f", {batch.unreadable:,} unreadable" if batch.unreadable else ""
        return _Outcome(f"landed {batch.rows:,} rows{unreadable}", batch=landed, is_new=True)


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
