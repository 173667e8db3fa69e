"""The port through which data comes in, and its first adapter: a folder of files."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion.file_pattern import SourceFile
from pipelines.ingestion.mapping import DatasetMapping, Mapping
from pipelines.ingestion.stable_read import StableBytes, read_stable


class DatasetNotMapped(LedgerlineError):
    """The source has no such dataset."""


class NoSourceFiles(LedgerlineError):
    """A dataset is mapped, but none of its files is there."""


class Source(Protocol):
    """Where raw bytes come from. Whatever delivers them, they are landed as files whose rows a mapping describes."""

    @property
    def name(self) -> str:
        """What evidence calls the source."""
        ...

    @property
    def as_of(self) -> datetime:
        """The source's own present, UTC."""
        ...

    def datasets(self) -> list[str]:
        """Names of the contracts that the source fills."""
        ...

    def mapping(self, dataset: str) -> DatasetMapping:
        """How the dataset's files are read.

        Raises:
            DatasetNotMapped: The source does not have it.
        """
        ...

    def files(self, dataset: str) -> list[SourceFile]:
        """The dataset's files in source order: by the date in their names, then by name.

        Raises:
            DatasetNotMapped: The source does not have it.
            NoSourceFiles: There is none.
        """
        ...

    def digest(self, file: SourceFile) -> StableBytes:
        """Hash a file's present bytes.

        Raises:
            FileLeft: It cannot be taken now.
        """
        ...

    def fetch(self, file: SourceFile, into: Path) -> StableBytes:
        """Copy a file's present bytes to ``into``.

        Raises:
            FileLeft: It cannot be taken now.
        """
        ...


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder of files, as a mapping describes it.

    Attributes:
        folder: Where the files lie.
        mapped: What is in them.
    """

    folder: Path
    mapped: Mapping

    @property
    def name(self) -> str:
        """The mapping's name."""
        return self.mapped.name

    @property
    def as_of(self) -> datetime:
        """The mapping's ``as_of``."""
        return self.mapped.as_of

    def datasets(self) -> list[str]:
        """Names of the mapped contracts, in the mapping's order."""
        return list(self.mapped.datasets)

    def mapping(self, dataset: str) -> DatasetMapping:
        """Return the mapping of ``dataset``; see :class:`Source`."""
        try:
            return self.mapped.datasets[dataset]
        except KeyError:
            known = ", ".join(self.mapped.datasets)
            raise DatasetNotMapped(f"mapping {self.name!r} has no dataset {dataset!r}; it has: {known}") from None

    def files(self, dataset: str) -> list[SourceFile]:
        """Return the dataset's files; see :class:`Source`."""
        pattern = self.mapping(dataset).pattern
        if not (files := pattern.files(self.folder)):
            raise NoSourceFiles(f"{dataset}: no file below {self.folder} is called {pattern.text}")
        return files

    def digest(self, file: SourceFile) -> StableBytes:
        """Hash a file's present bytes; see :class:`Source`."""
        return read_stable(self.folder / file.path)

    def fetch(self, file: SourceFile, into: Path) -> StableBytes:
        """Copy a file's present bytes; see :class:`Source`."""
        return read_stable(self.folder / file.path, copy_to=into)
