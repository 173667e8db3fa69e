"""Books made up for tests of the forecast family."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from ledgerline.core.settings import PROJECT_ROOT
from pipelines.training.forecast.parameters import ForecastParameters

LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def as_of() -> datetime:
    return LATER


@pytest.fixture
def raw_parameters() -> dict[str, Any]:
    """The project's own parameters, as read."""
    parameters: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "params.yaml").read_text())["forecast"]
    return parameters


@pytest.fixture
def parameters(raw_parameters: dict[str, Any]) -> ForecastParameters:
    """A horizon and a model that little data suffice for."""
    small = {"trees": 10, "least_rows_in_leaf": 20, "origins": 12, "seeds": [1, 2]}
    return ForecastParameters.checked(
        raw_parameters | {"horizon": 6, "groups": 4, "model": raw_parameters["model"] | small}
    )


@pytest.fixture(scope="session")
def books() -> Callable[..., pl.DataFrame]:
    """Make rows of books: each closes on the fourth of the next month."""

    def make(*series: np.ndarray, account: str = "revenue", days: int = 4) -> pl.DataFrame:
        rows = []
        for number, values in enumerate(series):
            for place, amount in enumerate(values):
                end = datetime(2015 + (place + 1) // 12, (place + 1) % 12 + 1, 1, tzinfo=UTC)
                known = end + timedelta(days=days)
                rows.append((f"book-{number:02d}", account, end - timedelta(microseconds=1), known, float(amount)))
        moment = pl.Datetime("us", "UTC")
        return pl.DataFrame(
            rows,
            schema={
                "entity_id": pl.String,
                "account": pl.String,
                "event_time": moment,
                "available_at": moment,
                "amount": pl.Float64,
            },
            orient="row",
        )

    return make


@pytest.fixture(scope="session")
def twelve_books(books: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    """Five years of twelve growing, seasonal books."""
    generator, month = np.random.default_rng(9), np.arange(60)
    return books(
        *(
            generator.uniform(50, 500)
            * np.exp(generator.normal(0.01, 0.01) * month + 0.2 * np.sin(month / 2 + shift) + noise)
            for shift, noise in ((shift, generator.normal(0, 0.05, 60)) for shift in range(12))
        )
    )
