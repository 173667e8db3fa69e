"""The pipeline's own regression test: known figures on the M3 competition's monthly series, by our measures."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ledgerline.decisions.forecast.lag_features import Floats
from ledgerline.decisions.forecast.members import seasonal_naive, theta
from pipelines.training.forecast.accuracy import SeriesErrors, mase, naive2, owa_parts, smape

pytestmark = pytest.mark.real_data
HORIZON = 18


@pytest.fixture(scope="module")
def series(published_data: Path) -> list[tuple[Floats, Floats]]:
    """History and test of each series, as the competition cut them."""
    file = published_data / "ledger" / "m3_monthly.parquet"
    if not file.is_file():
        pytest.skip(f"the M3 competition's series are not at {file}; set LEDGERLINE_SHARED_DATA")
    rows = pl.read_parquet(file).sort("unique_id", "ds")
    return [
        (own.filter(pl.col("split") == "train")["y"].to_numpy(), own.filter(pl.col("split") == "test")["y"].to_numpy())
        for own in rows.partition_by("unique_id", maintain_order=True)
    ]


def errors(series: list[tuple[Floats, Floats]], method: object) -> SeriesErrors:
    found = []
    for history, actual in series:
        forecast = method(history, HORIZON)  # type: ignore[operator]
        found.append((smape(actual, forecast), mase(history, actual, forecast)))
    return SeriesErrors(*np.array(found).T)


def test_test_months_are_the_last_eighteen_of_all_1428_series(series: list[tuple[Floats, Floats]]):
    assert len(series) == 1428
    assert {actual.size for _, actual in series} == {HORIZON}


def test_seasonal_naive_and_theta_are_as_far_off_as_is_known(series: list[tuple[Floats, Floats]]):
    """A plain script's figures on the same files: seasonal naive 1.066, dynamic optimised Theta .819."""
    of_naive2 = errors(series, naive2)
    owa = {
        method.__name__: float(owa_parts(errors(series, method), of_naive2).mean())
        for method in (seasonal_naive, theta)
    }
    assert owa == pytest.approx({"seasonal_naive": 1.066, "theta": 0.819}, abs=0.001)
