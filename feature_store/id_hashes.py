"""Sixty-four bits for a name, the same on every machine, for finding equal ones among more than memory holds.

Equal names have equal hashes; names with equal hashes are compared themselves by whoever asks (fifty million names have
one chance in ten thousand of holding two different ones that hash alike). It is FNV-1a over the UTF-8 bytes, its bits
then mixed as MurmurHash3 does at its end, so that any bits of it may choose a bucket.

Source: Fowler, Noll, Vo, https://datatracker.ietf.org/doc/draft-eastlake-fnv/; Appleby, MurmurHash3, ``fmix64``.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store.compiling import compiled

Hashes = NDArray[np.uint64]

_OFFSET = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_HALF = np.uint64(33)


def hashes_of(names: pl.Series) -> Hashes:
    """Return the hash of every name.

    Args:
        names: Strings without nulls.
    """
    _, offsets, data = names.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    hashes = np.empty(names.len(), np.uint64)
    if names.len():
        texts = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
        _hash_all(texts, np.frombuffer(offsets, np.int64, count=names.len() + 1), hashes)
    return hashes


def buckets_of(names: pl.Series, buckets: int) -> NDArray[np.int64]:
    """Return the bucket of every name, 0 to ``buckets`` - 1: names that are equal fall into one."""
    return (hashes_of(names) % np.uint64(buckets)).astype(np.int64)


def in_both(one: Hashes, other: Hashes) -> NDArray[np.int64]:
    """Return the places in ``one`` of the hashes that ``other`` holds too; both ascend."""
    places = np.empty(min(one.size, 1024), np.int64)
    while True:
        found = int(_in_both(one, other, places))
        if found <= places.size:
            return places[:found]
        places = np.empty(found, np.int64)


def repeated(hashes: Hashes) -> NDArray[np.int64]:
    """Return the places of hashes that stand more than once; they ascend."""
    alike = hashes[1:] == hashes[:-1]
    return np.flatnonzero(np.append(False, alike) | np.append(alike, False))


@compiled
def _hash_all(data, offsets, hashes):  # type: ignore[no-untyped-def]
    for row in range(hashes.size):
        value = _OFFSET
        for place in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[place])) * _PRIME
        value = (value ^ (value >> _HALF)) * _MIX_1
        value = (value ^ (value >> _HALF)) * _MIX_2
        hashes[row] = value ^ (value >> _HALF)


@compiled
def _in_both(one, other, places):  # type: ignore[no-untyped-def]
    found = place = 0
    for at in range(one.size):
        value = one[at]
        while place < other.size and other[place] < value:
            place += 1
        if place == other.size:
            break
        if other[place] == value:
            if found < places.size:
                places[found] = at
            found += 1
    return found
