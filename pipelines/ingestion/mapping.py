"""Mappings: which columns of whose files fill which dataset contract."""

from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from ledgerline.audit.personal import PersonalColumns
from ledgerline.core.contracts import DatasetContract, Role, contract_named
from ledgerline.core.identity import content_id
from pipelines.ingestion.column_mapping import ColumnMapping, Name, Strict
from pipelines.ingestion.file_pattern import FileFormat, FilePattern

READER_VERSION = 1  # raised when the same bytes and mapping give other rows


class Unpivot(Strict):
    """How a wide file, one column a series, becomes one row a series.

    Attributes:
        columns: Source column to the text that names its series; each row of the file becomes one row for each.
        name: What ``columns:`` of the feed calls the series' name, as if it were a source column.
        value: What it calls the cell's value, likewise. An empty cell is a row without a value.
    """

    columns: Annotated[dict[Name, Name], Field(min_length=1)]
    name: Name
    value: Name


class Personal(Strict):
    """Which of a feed's columns say who somebody is. They are kept encrypted, so that a person can be erased.

    Attributes:
        subject: The contract's column that names the person, e.g. ``customer_id``; in what is kept a pseudonym stands
            there.
        columns: Further columns of the contract that say who it is. The provider's own are so by their role.
    """

    subject: Name
    columns: tuple[Name, ...] = ()


class Feed(Strict):
    """One set of files that fill a contract, and how.

    Attributes:
        files: Pattern below the data folder: ``*``, ``?``, ``**``, at most one ``{date}``, and named parts.
        format: How the files are written; unset: by their names.
        delimiter: Between CSV fields; unset: a comma, or a tab in ``.tsv`` files.
        missing: Texts that mean *nothing here*; unset: only the empty text.
        as_of: The feed's own present; unset: the mapping's.
        starts: The feed's first instant: nothing earlier is expected in it.
        unpivot: How wide rows become long ones.
        columns: Contract column to where it comes from.
        roles: An open contract's further columns by role: name to source column.
        personal: Which columns say who somebody is.
    """

    files: Name
    format: FileFormat | None = None
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    missing: tuple[str, ...] = ("",)
    as_of: AwareDatetime | None = None
    starts: AwareDatetime | None = None
    unpivot: Unpivot | None = None
    columns: dict[str, ColumnMapping]
    roles: dict[Role, dict[Name, Name]] | None = None
    personal: Personal | None = None

    @property
    def pattern(self) -> FilePattern:
        """``files``, ready to be matched."""
        return FilePattern.parse(self.files)

    @property
    def all_columns(self) -> dict[str, ColumnMapping]:
        """``columns`` and, behind them, the provider's own."""
        own = {name: column for columns in (self.roles or {}).values() for name, column in columns.items()}
        return self.columns | {name: ColumnMapping(column=own[name]) for name in sorted(own)}

    @property
    def personal_columns(self) -> PersonalColumns | None:
        """The contract's and the provider's own columns that say who somebody is; None where nothing does."""
        if self.personal is None:
            return None
        own = sorted((self.roles or {}).get(Role.PERSONAL, {}))
        return PersonalColumns(self.personal.subject, (*self.personal.columns, *own))

    @property
    def name_parts(self) -> tuple[str, ...]:
        """The named parts of file names that some column is filled from, in order of their names."""
        parts = set(self.pattern.parts)
        return tuple(sorted(part for mapped in self.columns.values() for part in mapped.name_parts if part in parts))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that decides which rows a file becomes; where files lie, and what is due when, does not."""
        meaning = self.model_dump(mode="json", exclude_none=True, exclude={"files", "as_of", "starts"})
        return content_id({"reader": READER_VERSION, "mapping": meaning})

    def contract(self, dataset: str) -> DatasetContract:
        """Return the contract that the feed's rows keep: the dataset's and, of an open one, the provider's columns.

        Raises:
            UnknownContract: No such dataset.
            NotAnOpenContract: It takes no further columns.
        """
        roles = {name: role.value for role, columns in (self.roles or {}).items() for name in columns}
        return contract_with(dataset, roles)


class Mapping(Strict):
    """One provider's files as a whole.

    Attributes:
        name: What evidence calls the source.
        as_of: The source's own present: nothing later is known from it.
        partial: Whether a folder may hold the files of some feeds only.
        datasets: Contract name to the feeds that fill it; the first is the main one.
    """

    name: Name
    as_of: AwareDatetime
    partial: bool = False
    datasets: Annotated[dict[str, tuple[Feed, ...]], Field(min_length=1)]

    def feeds(self) -> Iterator[Feed]:
        """Yield every dataset's feeds."""
        for feeds in self.datasets.values():
            yield from feeds

    def as_of_feed(self, feed: Feed) -> datetime:
        """Return a feed's own present, or the mapping's."""
        return feed.as_of or self.as_of


def contract_with(dataset: str, roles: AnyMapping[str, str]) -> DatasetContract:
    """Return a dataset's contract with a provider's own columns, in the order of their names.

    Evidence keeps roles as a JSON object, which has no order; names do.
    """
    return contract_named(dataset).with_roles({name: roles[name] for name in sorted(roles)})
