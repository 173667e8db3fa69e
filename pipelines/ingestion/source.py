"""The port through which data comes in, and its first adapter: a folder of files."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion.file_pattern import SourceFile
from pipelines.ingestion.mapping import Feed, Mapping
from pipelines.ingestion.stable_read import StableBytes, read_stable


class DatasetNotMapped(LedgerlineError):
    """The source has no such dataset."""


class NoSourceFiles(LedgerlineError):
    """A dataset is mapped, but none of its files is there."""


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A file and the feed that it belongs to.

    Attributes:
        file: The file.
        feed: How it is read.
    """

    file: SourceFile
    feed: Feed


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

    def feeds(self, dataset: str) -> tuple[Feed, ...]:
        """The feeds that fill the dataset; the first is the main one.

        Raises:
            DatasetNotMapped: The source does not have it.
        """
        ...

    def as_of_feed(self, feed: Feed) -> datetime:
        """A feed's own present, UTC."""
        ...

    def files(self, dataset: str) -> list[FeedFile]:
        """The dataset's files, feed by feed, each feed's in source order: by the date in their names, then by name.

        Raises:
            DatasetNotMapped: The source does not have it.
            NoSourceFiles: There is none, or none of a feed that must be there.
        """
        ...

    def is_personal(self, file: SourceFile) -> bool:
        """Whether any feed that reads the file says that it holds personal data."""
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
        """Names of the mapped contracts, in the mapping's order; of a partial mapping, those that have files."""
        return [
            name
            for name, feeds in self.mapped.datasets.items()
            if not self.mapped.partial or any(feed.pattern.files(self.folder) for feed in feeds)
        ]

    def feeds(self, dataset: str) -> tuple[Feed, ...]:
        """Return the dataset's feeds; see :class:`Source`."""
        try:
            return self.mapped.datasets[dataset]
        except KeyError:
            known = ", ".join(self.mapped.datasets)
            raise DatasetNotMapped(f"mapping {self.name!r} has no dataset {dataset!r}; it has: {known}") from None

    def as_of_feed(self, feed: Feed) -> datetime:
        """Return the feed's ``as_of``, or the mapping's."""
        return self.mapped.as_of_feed(feed).astimezone(UTC)

    def files(self, dataset: str) -> list[FeedFile]:
        """Return the dataset's files; see :class:`Source`."""
        found = [(feed, feed.pattern.files(self.folder)) for feed in self.feeds(dataset)]
        absent = [feed.files for feed, files in found if not files]
        if absent and (not self.mapped.partial or len(absent) == len(found)):
            raise NoSourceFiles(f"{dataset}: no file below {self.folder} is called {' or '.join(absent)}")
        return [FeedFile(file, feed) for feed, files in found for file in files]

    def is_personal(self, file: SourceFile) -> bool:
        """Whether any feed that reads the file says that it holds personal data."""
        return any(feed.personal and feed.pattern.fits(file.path) for feed in self.mapped.feeds())

    def digest(self, file: SourceFile) -> StableBytes:
        """Hash a file's present bytes; see :class:`Source`."""
        return read_stable(self.folder / file.path)

    def fetch(self, file: SourceFile, into: Path) -> StableBytes:
        """Copy a file's present bytes; see :class:`Source`."""
        return read_stable(self.folder / file.path, copy_to=into)
