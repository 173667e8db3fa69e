"""The libraries that compute features: another version of one may change a value in its last bit."""

from functools import cache
from importlib.metadata import version

_COMPUTING = ("numba", "numpy", "polars")


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that executors compute with; every view's fingerprint covers them."""
    return {name: version(name) for name in _COMPUTING}
