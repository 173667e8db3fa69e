"""The compiled loops against the plain numpy that they replace, to the last bit."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import types

from feature_store.compiling import compiled_for
from feature_store.errors import LookbackInvalid
from feature_store.lookback import Lookback, ratio

LONG = (1500, 1, 2100, 0, 30)  # longer than the blocks in which the loops go through a history


class Plain:
    """Lag by lag over all rows at once."""

    def __init__(self, position):
        self.position = position

    def lags(self, values, rows):
        return (Lookback(self.position).lag(values, lag) for lag in range(rows))

    def mean(self, values, rows):
        total = np.zeros(values.size)
        for earlier in self.lags(values, rows):
            total += earlier
        return total / rows

    def deviation(self, values, rows):
        mean = self.mean(values, rows)
        total = np.zeros(values.size)
        for earlier in self.lags(values, rows):
            total += (earlier - mean) ** 2
        return np.sqrt(total / rows)

    def extreme(self, values, rows, least, better):
        found = values.copy()
        for lag in range(1, min(rows, int(self.position.max(initial=-1)) + 1)):
            earlier = np.where(self.position[lag:] >= lag, values[: values.size - lag], np.nan)
            found[lag:] = better(found[lag:], earlier)
        return np.where(self.position + 1 >= least, found, np.nan)

    def weighted(self, values, *, decay, rows, least):
        total, weights = np.zeros(values.size), np.zeros(values.size)
        known = np.zeros(values.size, dtype=np.int64)
        present = ~np.isnan(values)
        held, marks = np.where(present, values, 0.0), present.astype(np.float64)
        for lag in range(min(rows, int(self.position.max(initial=-1)) + 1)):
            within = self.position[lag:] >= lag
            end = values.size - lag
            weight = decay**lag * within
            total[lag:] += weight * held[:end]
            weights[lag:] += weight * marks[:end]
            known[lag:] += within & present[:end]
        enough = (known >= least) & present
        return np.where(enough, ratio(total, weights), np.nan)


def bits(values):
    return np.where(np.isnan(values), np.nan, values).view(np.int64).tolist()


def positions(lengths):
    return np.concatenate([np.arange(length) for length in (0, *lengths)])


def series(rows, holes, seed):
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, rows) * 10.0 ** random.integers(-6, 6)
    values[random.random(rows) < holes] = np.nan
    return values


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 90), min_size=1, max_size=4),
    holes=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    rows=st.integers(1, 80),
    least=st.integers(1, 80),
    decay=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
@example(lengths=LONG, holes=0.0, rows=200, least=14, decay=13 / 14, seed=1)
@example(lengths=LONG, holes=0.002, rows=200, least=14, decay=13 / 14, seed=2)
@example(lengths=LONG, holes=0.0, rows=2000, least=1900, decay=0.999, seed=3)
def test_what_looks_back_has_the_bits_that_plain_numpy_gives(lengths, holes, rows, least, decay, seed):
    position = positions(lengths)
    values = series(position.size, holes, seed)
    back, plain = Lookback(position), Plain(position)

    assert bits(back.mean(values, rows)) == bits(plain.mean(values, rows))
    assert bits(back.deviation(values, rows)) == bits(plain.deviation(values, rows))
    assert bits(back.highest(values, rows, least=least)) == bits(plain.extreme(values, rows, least, np.fmax))
    assert bits(back.lowest(values, rows, least=least)) == bits(plain.extreme(values, rows, least, np.fmin))
    weights = {"decay": decay, "rows": rows, "least": least}
    assert bits(back.weighted(values, **weights)) == bits(plain.weighted(values, **weights))


def test_value_without_bound_stays_in_its_history():
    back = Lookback(positions((40, 40)))
    values = series(80, 0.0, 4)
    unbounded = values.copy()
    unbounded[35] = np.inf

    for found, beside in (
        (back.weighted(unbounded, decay=0.9, rows=30, least=1), back.weighted(values, decay=0.9, rows=30, least=1)),
        (back.mean(unbounded, 5), back.mean(values, 5)),
        (back.highest(unbounded, 5, least=1), back.highest(values, 5, least=1)),
    ):
        assert found[36] == np.inf
        assert bits(found[40:]) == bits(beside[40:])


def test_values_that_lie_apart_or_may_not_be_written_to_are_read_as_any_others():
    back, values = Lookback(positions((50,))), series(100, 0.1, 5)
    apart = values[::2]
    fixed = apart.copy()
    fixed.flags.writeable = False

    expected = bits(back.weighted(apart.copy(), decay=0.9, rows=30, least=1))

    assert bits(back.weighted(apart, decay=0.9, rows=30, least=1)) == expected
    assert bits(back.weighted(fixed, decay=0.9, rows=30, least=1)) == expected


def test_values_that_are_fewer_than_the_rows_are_refused():
    back = Lookback(positions((5, 5)))

    with pytest.raises(LookbackInvalid, match=r"\(9,\) beside histories of 10 rows"):
        back.mean(np.zeros(9), 2)


def test_loop_whose_machine_code_can_be_kept_nowhere_is_compiled_all_the_same():
    written: dict = {}
    exec("def twice(number): return 2 * number", written)  # noqa: S102  # without a file there is no folder beside it

    assert compiled_for(types.int64(types.int64), written["twice"])(21) == 42
