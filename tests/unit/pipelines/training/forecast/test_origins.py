"""What was known at an origin, and what came."""

from collections.abc import Callable
from datetime import datetime

import numpy as np
import polars as pl

from ledgerline.decisions.forecast.series import series_of
from pipelines.training.forecast.origins import known_before_the_last, origins

MONTHS = np.arange(30.0) + 100


def test_origins_cut_the_series_one_and_two_horizons_before_its_end(
    books: Callable[..., pl.DataFrame], as_of: datetime
):
    rows = books(MONTHS)
    choice, test = origins(rows, series_of(rows, as_of=as_of), as_of=as_of, horizon=6)
    assert test.histories[0].tolist() == MONTHS[:24].tolist()
    assert test.actuals[0].tolist() == MONTHS[24:].tolist()
    assert choice.histories[0].tolist() == MONTHS[:18].tolist()
    assert choice.actuals[0].tolist() == MONTHS[18:24].tolist()


def test_correction_is_invisible_before_it_was_made(books: Callable[..., pl.DataFrame], as_of: datetime):
    """Month 10 is corrected 500 days later, within the test months: neither origin may see it, the series does."""
    corrected = books(np.where(np.arange(30) == 10, 999.0, MONTHS), days=500)[10:11]
    rows = pl.concat([books(MONTHS), corrected])
    series = series_of(rows, as_of=as_of)
    choice, test = origins(rows, series, as_of=as_of, horizon=6)
    assert series[0].values[10] == 999.0
    assert test.histories[0][10] == choice.histories[0][10] == 110.0


def test_correction_between_the_origins_helps_the_test_and_not_the_choice(
    books: Callable[..., pl.DataFrame], as_of: datetime
):
    corrected = books(np.where(np.arange(30) == 17, 999.0, MONTHS), days=90)[17:18]
    rows = pl.concat([books(MONTHS), corrected])
    choice, test = origins(rows, series_of(rows, as_of=as_of), as_of=as_of, horizon=6)
    assert choice.histories[0][17] == 117.0
    assert test.histories[0][17] == 999.0


def test_every_series_ends_by_its_own_calendar(books: Callable[..., pl.DataFrame], as_of: datetime):
    rows = books(MONTHS, MONTHS[:20])
    known = known_before_the_last(rows, series_of(rows, as_of=as_of), months=6, as_of=as_of)
    assert [values.size for values in known] == [24, 14]
