"""Compile inner loops, keep the machine code where that can be kept, and go without where it cannot."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(loop: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, to run without the interpreter's lock held.

    The machine code is kept beside the source, or in the user's cache folder where that cannot be written; where
    neither can, every process compiles again.
    """
    kernel = njit(nogil=True, error_model="numpy")(loop)
    try:
        kernel.enable_caching()
    except RuntimeError:  # numba found no folder that it may write to
        kernel = njit(nogil=True, error_model="numpy")(loop)
    return kernel


def compiled_for(signature: Any, loop: Callable[..., Any]) -> Any:
    """Compile a function for one signature and no other, at once."""
    kernel = compiled(loop)
    kernel.compile(signature)
    kernel.disable_compile()  # else arrays that may be written to are compiled for once more
    return kernel
