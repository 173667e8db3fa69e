"""Why a row or a whole file could not be read: the codes that evidence carries."""

from enum import StrEnum

from ledgerline.core.errors import LedgerlineError

_SHOWN_CHARACTERS = 200


class UnreadableReason(StrEnum):
    """Why one row could not be typed; the rest of its file lands."""

    NOT_UTF8 = "not_utf8"  # the value's bytes are no UTF-8 text
    NOT_CSV = "not_csv"  # a quote is opened and never properly closed
    WRONG_FIELD_COUNT = "wrong_field_count"  # more or fewer fields than the header
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"  # JSON, but no {...}
    NOT_A_SCALAR = "not_a_scalar"  # a JSON list or object where one value is due
    NOT_TEXT = "not_text"  # a fraction where an id is due
    NOT_A_NUMBER = "not_a_number"
    NOT_AN_INTEGER = "not_an_integer"
    NOT_A_BOOLEAN = "not_a_boolean"
    NOT_AN_INSTANT = "not_an_instant"
    NOT_A_DATE = "not_a_date"
    NOT_A_SESSION = "not_a_session"  # a date on which the exchange was closed
    NO_TIME_ZONE = "no_time_zone"  # a local time, and the mapping names no zone
    NOT_ONE_INSTANT = "not_one_instant"  # a local time that the clock change skips or repeats
    SUBJECT_ERASED = "subject_erased"  # about a person whose data was erased: nothing of it is kept again
    OUT_OF_RANGE = "out_of_range"  # well formed, but beyond 64 bits or the years 1 to 9999


class RefusalReason(StrEnum):
    """Why a whole file could not be read; its bytes are kept, other files land."""

    EMPTY_FILE = "empty_file"
    TRUNCATED_GZIP = "truncated_gzip"
    CORRUPT_GZIP = "corrupt_gzip"
    NOT_PARQUET = "not_parquet"
    CORRUPT_PARQUET = "corrupt_parquet"
    MISSING_COLUMN = "missing_column"
    DUPLICATE_COLUMN = "duplicate_column"
    WRONG_TYPE = "wrong_type"


class FileRefused(LedgerlineError):
    """A file cannot be read at all.

    Attributes:
        reason: The code.
        row: The data row, from 1, at which reading ended, where that is known.
        column: The source column at fault, where there is one.
        unquoted: The message without what it quotes of the file: of personal data nothing is quoted.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: RefusalReason,
        row: int | None = None,
        column: str | None = None,
        quoting: str = "",
    ) -> None:
        super().__init__(printable(message + quoting))
        self.reason = reason
        self.row = row
        self.column = column
        self.unquoted = printable(message)


def printable(text: str) -> str:
    """Return ``text`` with undecodable bytes (``surrogateescape``) and lone surrogates spelt out in ASCII."""
    if text.isascii():
        return text
    shown = (f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)
    return "".join(shown).encode("utf-8", "backslashreplace").decode()


def shown_value(text: str) -> str:
    """Return ``text`` as evidence shows it: printable, at most 200 characters."""
    return printable(text[:_SHOWN_CHARACTERS])[:_SHOWN_CHARACTERS]
