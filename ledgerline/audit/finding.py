"""What verification finds: something about an entry that does not hold."""

from dataclasses import dataclass
from enum import StrEnum


class Problem(StrEnum):
    """What is wrong with an entry."""

    MISSING = "missing"  # its place in the log is empty
    CHANGED = "changed"  # its bytes are not those that were hashed when it was recorded
    REWRITTEN = "rewritten"  # bytes and hash agree, but the witness has seen another hash
    UNPROVEN = "unproven"  # it is among entries over which a signed root does not hold
    FORGED = "forged"  # a checkpoint at this size is not signed by whom it says
    MALFORMED = "malformed"  # its bytes are no entry
    MISNAMED = "misnamed"  # its id, kind, time or names are stored otherwise than the entry says
    BACK_DATED = "back_dated"  # it says to be recorded when others were there already, or the witness before it
    EDGE = "edge"  # what it was made from is stored otherwise than the entry says, or does not fit the grammar
    SIGNATURE = "signature"  # a signature in it, or the bytes that it names, do not hold
    EFFECT = "effect"  # what was committed together with it is no longer what it says


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold.

    Attributes:
        sequence: The first entry that it is about, from 1.
        problem: What kind of thing.
        detail: What was found, for a person.
    """

    sequence: int
    problem: Problem
    detail: str

    def __str__(self) -> str:
        return f"entry {self.sequence}: {self.problem}: {self.detail}"
