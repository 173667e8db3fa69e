"""Patterns of file names, with the date that a name may carry, and the formats that a name tells."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath

DATE_PART = "date"
_REGEX_OF = {
    "**/": r"(?:[^/]+/)*",
    "*": r"[^/]*",
    "?": r"[^/]",
}
_PART = re.compile(r"\{([a-z][a-z_]*)\}")
_TOKEN = re.compile(r"\{[a-z][a-z_]*\}|\*\*/|\*|\?|.", re.DOTALL)
_DATE_REGEX = r"\d{4}-\d{2}-\d{2}|\d{8}"


class FileFormat(StrEnum):
    """How a file's rows are written; CSV and JSON Lines may be compressed with gzip."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_FORMAT_OF_SUFFIX = {
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.CSV,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".parquet": FileFormat.PARQUET,
    ".pq": FileFormat.PARQUET,
}


def format_of(name: str) -> FileFormat | None:
    """Return the format that a file's name tells, or None if it tells none."""
    path = PurePosixPath(name.lower())
    if path.suffix != ".gz":
        return _FORMAT_OF_SUFFIX.get(path.suffix)
    inner = _FORMAT_OF_SUFFIX.get(PurePosixPath(path.stem).suffix)
    return None if inner is FileFormat.PARQUET else inner


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes:
        path: Relative to the source's root, with ``/``.
        file_date: The date in its name, if the pattern has one.
        parts: The other named parts of its name, in the pattern's order.
    """

    path: str
    file_date: date | None
    parts: tuple[tuple[str, str], ...] = ()

    def named(self, names: Iterable[str]) -> dict[str, str]:
        """Return the parts called so, a date as ISO 8601; without those that the file's name lacks."""
        known = dict(self.parts) | ({DATE_PART: self.file_date.isoformat()} if self.file_date else {})
        return {name: known[name] for name in names if name in known}


@dataclass(frozen=True, slots=True)
class FilePattern:
    """A pattern such as ``payments/*_{date}.csv`` or ``prices/{symbol}.csv``.

    Attributes:
        text: As written.
        glob: For the file system; wider than the pattern, as a named part is ``*``.
        regex: Decides, and finds the date and the other named parts.
    """

    text: str
    glob: str
    regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "FilePattern":
        """Read a pattern.

        Raises:
            ValueError: It leaves the folder, names a part twice, or has other braces or brackets.
        """
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("must lie below the data folder")
        parts = _PART.findall(text)
        if len(set(parts)) < len(parts) or set("{}[]") & set(_PART.sub("", text)):
            raise ValueError("may hold {date} once, other {named_parts} once each, and no other braces or brackets")
        regex = "".join(_regex_of(token) for token in _TOKEN.findall(text))
        return cls(text, _PART.sub("*", text), re.compile(regex))

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts, ``date`` among them, in the pattern's order."""
        return tuple(self.regex.groupindex)

    def fits(self, path: str) -> bool:
        """Whether a file of this path, relative to the folder, is one of them."""
        return self._match(PurePosixPath(path)) is not None

    def files(self, folder: Path) -> list[SourceFile]:
        """Return the files below ``folder`` that match, by date and then by name.

        Hidden files are somebody's unfinished ones and do not match. A name with an impossible date is undated.
        """
        paths = (path.relative_to(folder) for path in folder.glob(self.glob) if path.is_file())
        found = [self._match(PurePosixPath(path.as_posix())) for path in paths]
        return sorted(filter(None, found), key=lambda file: (file.file_date or date.min, file.path))

    def _match(self, path: PurePosixPath) -> SourceFile | None:
        matched = self.regex.fullmatch(path.as_posix())
        if matched is None or any(part.startswith(".") for part in path.parts):
            return None
        parts = matched.groupdict()
        return SourceFile(path.as_posix(), _date(parts.pop(DATE_PART, None)), tuple(parts.items()))


def _regex_of(token: str) -> str:
    if part := _PART.fullmatch(token):
        return f"(?P<{part[1]}>{_DATE_REGEX if part[1] == DATE_PART else '[^/]+'})"
    return _REGEX_OF.get(token) or re.escape(token)


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text.replace("-", ""), "%Y%m%d").date()  # noqa: DTZ007 (a date has no zone)
    except ValueError:
        return None
