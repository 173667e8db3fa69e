"""Hashes of names: equal for equal names, wherever they lie, and compared without loss."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.id_hashes import buckets_of, hashes_of, in_both, repeated

_names = st.lists(st.text(max_size=6), max_size=30)


def fnv_mixed(name: str) -> int:
    """Return the hash by its definition, in Python's own whole numbers."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor % 2**64
    return value ^ value >> 33


@settings(max_examples=50, deadline=None)
@given(_names, st.integers(0, 5))
def test_hash_is_its_definition_also_within_a_slice(names, begin):
    series = pl.Series(names, dtype=pl.String)

    assert hashes_of(series.slice(begin)).tolist() == [fnv_mixed(name) for name in names[begin:]]


@settings(max_examples=50, deadline=None)
@given(_names, _names)
def test_places_in_both_and_repeated_are_those_of_plain_comparison(names, others):
    one, other = (np.sort(hashes_of(pl.Series(each, dtype=pl.String))) for each in (names, others))

    assert in_both(one, other).tolist() == np.flatnonzero(np.isin(one, other)).tolist()
    assert repeated(one).tolist() == [place for place, value in enumerate(one) if (one == value).sum() > 1]


def test_more_common_hashes_than_a_first_guess_are_all_found():
    hashes = np.sort(hashes_of(pl.Series(range(5_000)).cast(pl.String)))

    assert in_both(hashes, hashes).tolist() == list(range(5_000))


def test_buckets_are_about_equally_full_and_an_entity_stays_in_its_own():
    names = pl.Series([str(number) for number in range(10_000)] * 2)
    buckets = buckets_of(names, 7)

    assert (buckets[:10_000] == buckets[10_000:]).all()
    assert np.bincount(buckets[:10_000], minlength=7).min() > 1_200
