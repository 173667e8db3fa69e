"""Hand-made training rows: small enough to work a figure out on paper."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from ledgerline.core.settings import PROJECT_ROOT
from pipelines.training.fraud.parameters import FraudParameters

DAY = timedelta(days=1)
MOMENT = pl.Datetime("us", "UTC")


@pytest.fixture
def raw_parameters() -> dict[str, Any]:
    """The project's own parameters, as read."""
    parameters: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "params.yaml").read_text())["fraud"]
    return parameters


@pytest.fixture
def parameters(raw_parameters: dict[str, Any]) -> FraudParameters:
    return FraudParameters.checked(raw_parameters)


@pytest.fixture
def training_rows() -> Callable[..., pl.DataFrame]:
    """Make training-set rows from ``(card, event_time, is_fraud)`` or dicts that say more."""

    def make(*rows: Mapping[str, Any]) -> pl.DataFrame:
        whole = []
        for number, row in enumerate(rows):
            event_time = row.get("event_time", datetime(2018, 8, 1, 12, tzinfo=UTC))
            whole.append(
                {
                    "transaction_id": str(number),
                    "customer_id": str(row.get("card", "1")),
                    "terminal_id": "1",
                    "event_time": event_time,
                    "available_at": row.get("available_at", event_time),
                    "amount": float(row.get("amount", 10.0)),
                    "is_fraud": row.get("is_fraud", False),
                    "label_available_at": row.get("label_available_at", event_time + 7 * DAY),
                }
            )
        times = dict.fromkeys(("event_time", "available_at", "label_available_at"), MOMENT)
        return pl.DataFrame(whole, schema_overrides=times | {"is_fraud": pl.Boolean})

    return make


@pytest.fixture(scope="session")
def published_data() -> Path:
    """The folder of published data, or a skip."""
    folder = Path(os.environ.get("LEDGERLINE_SHARED_DATA", PROJECT_ROOT.parent / "shared" / "data"))
    if not (folder / "transactions" / "card_transactions_2018.parquet").is_file():
        pytest.skip(f"the published card transactions are not in {folder}; set LEDGERLINE_SHARED_DATA")
    return folder
