"""Keep a file with personal data sealed, and put pseudonyms and sealed texts into the rows that are made from it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import polars as pl
from sqlalchemy.engine import Connection

from ledgerline.audit import Ledger
from ledgerline.audit.personal import ANYBODY, SEALED_FILE, PersonalColumns, PersonalData, Subject, personal_data
from ledgerline.audit.sealing import new_key, seal_file, seal_text
from pipelines.ingestion.landing_evidence import KeptBytes
from pipelines.ingestion.reasons import UnreadableReason
from pipelines.ingestion.stable_read import StableBytes
from pipelines.ingestion.typed_rows import ROW_NUMBER, TypedRows, unreadable_rows

_WITHHELD = "(withheld: it may say who somebody is)"


@dataclass
class SealedLanding:
    """The landing of one file that holds personal data.

    Attributes:
        ledger: The installation.
        dataset: The contract's name.
        columns: Which of its columns say who somebody is; None where only another dataset of the same file has such.
        content: The file's bytes, as received.
    """

    ledger: Ledger
    dataset: str
    columns: PersonalColumns | None
    content: StableBytes
    _untold: int = field(default=0, init=False)
    _is_closed: bool = field(default=False, init=False)

    @cached_property
    def _data(self) -> PersonalData:
        return personal_data(self.ledger.log, self.ledger.settings)

    @cached_property
    def fingerprint(self) -> str:
        """By what the file is known again."""
        return self._data.fingerprint(self.content.sha256)

    def keep(self, raw: Path, scratch: Path) -> KeptBytes:
        """Put the file's sealed bytes into the object store.

        Where its key was destroyed, as somebody in it was erased, another seals it that is not kept: it lands again,
        as a changed mapping wants it, for the rows of the others.
        """
        with self.ledger.log.transaction() as transaction:
            key = self._data.file_key(transaction, self.fingerprint) or new_key()
        sealed = scratch / "sealed"
        seal_file(key, raw, sealed)
        sha256 = self.ledger.objects.put_file(sealed)
        sealed.unlink()
        return KeptBytes(sha256, self.content.size, self.fingerprint)

    def protected(self, runs: Iterator[TypedRows]) -> Iterator[TypedRows]:
        """Yield the rows with nothing in them that says who somebody is.

        Rows of persons who were erased become unreadable ones, without their content, and the file, in which the
        content is, can no longer be opened.
        """
        for run in runs:
            self._untold += run.unreadable.height
            shown = replace(run, unreadable=_without_values(run.unreadable))
            yield self._protected(shown) if self.columns else shown

    def finish(self, *, is_refused: bool = False) -> None:
        """Keep, at the end, that every person in the file is known to be in it, or that anybody may be.

        Where another dataset reads the same file, what both could read counts. Anybody may be somebody who was erased
        before: such a file can no longer be opened, as it could not if they were erased now.
        """
        if self.columns:
            with self.ledger.log.transaction() as transaction:
                if is_refused or self._untold:
                    self._data.enter_in_file(transaction, self.fingerprint, [ANYBODY])
                    if self._data.is_anybody_erased(transaction):
                        self._close(transaction)
                else:
                    self._data.all_told(transaction, self.fingerprint)
        if self._is_closed:
            self.ledger.log.forget_replaced([SEALED_FILE])

    def _protected(self, run: TypedRows) -> TypedRows:
        columns = self.columns
        assert columns is not None  # noqa: S101 (the caller has looked)
        named = run.rows[columns.subject]
        self._untold += named.null_count()
        subjects = self._subjects(columns.subject, named.drop_nulls().unique(maintain_order=True).to_list())
        erased = named.is_in([name for name, subject in subjects.items() if subject.is_erased]).fill_null(value=False)
        rows = run.rows.filter(~erased)
        names = rows[columns.subject]
        pseudonyms = pl.Series(names.name, [_pseudonym(subjects, name) for name in names], dtype=pl.String)
        sealed = [self._sealed(rows[column], names, subjects) for column in columns.others]
        lost = unreadable_rows(
            [
                (number, columns.subject, None, UnreadableReason.SUBJECT_ERASED)
                for number in run.rows.filter(erased)[ROW_NUMBER]
            ]
        )
        unreadable = pl.concat([run.unreadable, lost]).sort(ROW_NUMBER)
        return replace(run, rows=rows.with_columns(pseudonyms, *sealed), unreadable=unreadable)

    def _subjects(self, column: str, names: list[str]) -> dict[str, Subject]:
        with self.ledger.log.transaction() as transaction:
            self.ledger.log.take_turn(transaction)  # nobody is erased between being found here and entered
            subjects = self._data.subjects(transaction, column, names)
            self._data.enter_in_file(transaction, self.fingerprint, (each.pseudonym for each in subjects.values()))
            if any(subject.is_erased for subject in subjects.values()):
                self._close(transaction)
        return subjects

    def _close(self, transaction: Connection) -> None:
        self._data.close_file(transaction, self.fingerprint)
        self._is_closed = True

    def _sealed(self, values: pl.Series, names: pl.Series, subjects: dict[str, Subject]) -> pl.Series:
        """Encrypt a column, each value under its person's key; one of nobody is left to the sealed file alone."""
        place = f"{self.dataset}.{values.name}"
        found = []
        for value, name in zip(values, names, strict=True):
            key = subjects[name].key if name is not None else None
            found.append(seal_text(key, value, place) if key is not None and value is not None else None)
        return pl.Series(values.name, found, dtype=pl.String)


def _without_values(unreadable: pl.DataFrame) -> pl.DataFrame:
    """Return unreadable rows without what stood in them: whole lines often, whichever columns a dataset reads."""
    return unreadable.with_columns(pl.when(pl.col("value").is_not_null()).then(pl.lit(_WITHHELD)).alias("value"))


def _pseudonym(subjects: dict[str, Subject], name: str | None) -> str | None:
    return subjects[name].pseudonym if name is not None else None
