"""Memory that was freed goes back to the system."""

import ctypes
from functools import cache
from typing import Any


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # not glibc, whose habit it is to keep what other threads freed
        return None


def give_back_memory() -> None:
    """Let the C library return what was freed: in a build of a year it would otherwise keep over a GiB of it."""
    if (trim := _trim()) is not None:
        trim(0)
