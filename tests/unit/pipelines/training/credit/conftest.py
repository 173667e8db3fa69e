"""The simulated lender's applications as a training set, and the project's own parameters."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.sandbox.lending import NUMERIC, simulate_applications
from pipelines.training.credit.parameters import CreditParameters

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
OUTCOME_AFTER = timedelta(days=365)
MOMENT = pl.Datetime("us", "UTC")


@pytest.fixture(scope="session")
def raw_parameters() -> dict[str, Any]:
    """The project's own parameters, as read."""
    parameters: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "params.yaml").read_text())["credit"]
    return parameters


@pytest.fixture(scope="session")
def parameters(raw_parameters: dict[str, Any]) -> CreditParameters:
    """The project's own, with fewer and larger steps, so that a fit takes no second."""
    quick = raw_parameters["model"] | {"learning_rate": 0.2, "most_trees": 60, "early_stopping": 10}
    return CreditParameters.checked(
        raw_parameters | {"model": quick, "bootstrap": {"replicates": 50, "seed": 1}, "seeds": [1, 2]}
    )


@pytest.fixture(scope="session")
def names() -> list[str]:
    return [*NUMERIC, "purpose", "housing"]


@pytest.fixture(scope="session")
def training_set() -> Callable[..., pl.DataFrame]:
    """Make a training set whose applications came in evenly over four years, each outcome known a year later."""

    def make(count: int = 8_000, *, dated: bool = True) -> pl.DataFrame:
        rows = simulate_applications(count, np.random.default_rng(21))
        first = AS_OF - timedelta(days=4 * 365)
        came = [first + timedelta(days=4 * 365 * place / count) for place in range(count)]
        known = [moment + OUTCOME_AFTER for moment in came]
        is_known = pl.Series([moment <= AS_OF or not dated for moment in known])
        return pl.DataFrame(
            {
                "application_id": [f"A{place:05d}" for place in range(count)],
                "portfolio": ["loans"] * count,
                "event_time": came if dated else [first] * count,
                "available_at": came if dated else [first] * count,
                **{name: rows[name] for name in (*NUMERIC, "purpose", "housing")},
                "dated": [dated] * count,
                "defaulted": rows["defaults"],
                "label_available_at": known if dated else [first] * count,
                "protected.GROUP": rows["GROUP"],
            },
            schema_overrides=dict.fromkeys(("event_time", "available_at", "label_available_at"), MOMENT),
        ).with_columns(pl.when(is_known).then(pl.col("defaulted", "label_available_at")))

    return make
