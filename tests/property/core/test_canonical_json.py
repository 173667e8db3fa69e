"""The fast way to canonical JSON against the slow one."""

import enum

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledgerline.core.identity import canonical_json


class Word(enum.StrEnum):
    ONE = "one"


floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1.0, 1e-4, 9.999e-5, 1e-7, 0.1, 1e15, 1e16, 1e17, 1e21, 1e22, 2.0**53, 2.0**53 - 1, 5e-324, 123456.789]
)
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | floats | st.text()
names = st.text() | st.sampled_from(["a", "b", "ﬀ", "\U0001f600", "￿", "\x7f", "é"])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))


@given(values)
def test_any_value_is_written_as_the_reference_writes_it(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        {"word": Word.ONE, Word.ONE: 1},
        [True, 1, 1.0],
        (1, 2),
        '\x00\x08\t\n\x0c\r\x1b"\\/\x7f\x80  ',
        {"\U0001f600": 1, "￿": 2},
        -0.0,
    ],
    ids=repr,
)
def test_what_the_two_encoders_might_see_differently_is_written_as_the_reference_writes_it(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), 2**53, {"a": -(2**53)}, "\ud800", {1: 2}, {"a": {1, 2}}, b"bytes"],
    ids=repr,
)
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
        canonical_json(value)
