"""Patterns of file names, with the date that a name may carry, and the formats that a name tells."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath

_DATE = "{date}"
_REGEX_OF = {
    _DATE: r"(?P<date>\d{4}-\d{2}-\d{2}|\d{8})",
    "**/": r"(?:[^/]+/)*",
    "*": r"[^/]*",
    "?": r"[^/]",
}
_TOKEN = re.compile(r"\{date\}|\*\*/|\*|\?|.", re.DOTALL)


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
    """

    path: str
    file_date: date | None


@dataclass(frozen=True, slots=True)
class FilePattern:
    """A pattern such as ``payments/*_{date}.csv``.

    Attributes:
        text: As written.
        glob: For the file system; wider than the pattern, as ``{date}`` is ``*``.
        regex: Decides, and finds the date.
    """

    text: str
    glob: str
    regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "FilePattern":
        """Read a pattern.

        Raises:
            ValueError: It leaves the folder, or has braces or brackets other than one ``{date}``.
        """
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("must lie below the data folder")
        if text.count(_DATE) > 1 or set("{}[]") & set(text.replace(_DATE, "")):
            raise ValueError("may hold {date} once, and no other braces or brackets")
        regex = "".join(_REGEX_OF.get(token) or re.escape(token) for token in _TOKEN.findall(text))
        return cls(text, text.replace(_DATE, "*"), re.compile(regex))

    def files(self, folder: Path) -> list[SourceFile]:
        """Return the files below ``folder`` that match, by date and then by name.

        Hidden files are somebody's unfinished ones and do not match. A name with an impossible date is undated.
        """
        found = [self._match(path.relative_to(folder)) for path in folder.glob(self.glob) if path.is_file()]
        return sorted(filter(None, found), key=lambda file: (file.file_date or date.min, file.path))

    def _match(self, path: Path) -> SourceFile | None:
        matched = self.regex.fullmatch(path.as_posix())
        if matched is None or any(part.startswith(".") for part in path.parts):
            return None
        return SourceFile(path.as_posix(), _date(matched.groupdict().get("date")))


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text.replace("-", ""), "%Y%m%d").date()  # noqa: DTZ007 (a date has no zone)
    except ValueError:
        return None
