"""Arithmetic between features says what it computes, or refuses."""

import numpy as np
import pytest

from feature_store.errors import ViewInvalid
from feature_store.expressions import feature


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (feature("a") / feature("b"), [2.0, None, None]),
        (1 - feature("a"), [-3.0, 1.0, None]),
        (feature("a") <= 4, [1.0, 1.0, None]),
        (feature("a") >= 4.5, [0.0, 0.0, None]),
        ((feature("a") - 9).sqrt(), [None, None, None]),
        (feature("a").log1p().abs(), [np.log1p(4.0), 0.0, None]),
        (feature("a").or_else(feature("b")), [4.0, 0.0, 7.0]),
        (feature("a").at_least(1).at_most(feature("b")), [2.0, 0.0, None]),
        (-feature("b") * 2 + 1, [-3.0, 1.0, -13.0]),
    ],
)
def test_expression_is_the_same_over_columns_and_for_one_row_and_null_where_a_part_is(expression, expected):
    rows = [{"a": 4.0, "b": 2.0}, {"a": 0.0, "b": 0.0}, {"a": None, "b": 7.0}]
    columns = {name: np.array([np.nan if row[name] is None else row[name] for row in rows]) for name in "ab"}

    over_columns = [None if np.isnan(value) else float(value) for value in expression.evaluate(columns)]

    assert over_columns == expected
    assert [expression.value(row) for row in rows] == expected


@pytest.mark.parametrize(
    "write",
    [
        lambda: 0 < feature("a") < 10,
        lambda: feature("a") > 1 and feature("b") > 2,
        lambda: max(feature("a"), feature("b")),
    ],
)
def test_what_would_drop_a_part_of_an_expression_is_refused(write):
    with pytest.raises(TypeError, match="at_least and at_most"):
        write()


def test_constant_that_is_no_number_is_refused():
    with pytest.raises(ViewInvalid, match="no number"):
        feature("a") / float("inf")
