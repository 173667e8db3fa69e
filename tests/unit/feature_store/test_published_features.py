"""The fifteen features equal the published transformation, kept here as its slow twin in pandas.

Source: Le Borgne et al., *Reproducible Machine Learning for Credit Card Fraud Detection*, chapter 3.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from feature_store.offline import compute
from feature_store.views.card_spending import CARD_SPENDING, CHARGEBACK_DELAY, WINDOWS_DAYS

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "transactions" / "card_transactions_2018.parquet"
SHARE = 40  # every 40th terminal, or every 40th customer, with all its payments of the half year

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not PUBLISHED.exists(), reason=f"the published card data is not at {PUBLISHED}"),
]


def payments(entity: str, *, rounded_to: int, share: int = SHARE) -> pd.DataFrame:
    """Return a slice that holds every payment of some entities; rounding makes many of them fall in one second."""
    frame = pd.read_parquet(PUBLISHED)
    frame["id"] = np.arange(len(frame))
    frame = frame[frame[entity] % share == 0].copy()
    seconds = frame["TX_TIME_SECONDS"].astype("int64") // rounded_to * rounded_to
    frame["TX_DATETIME"] = pd.Timestamp("2018-04-01") + pd.to_timedelta(seconds, unit="s")
    frame["TX_AMOUNT"] = frame["AMOUNT_CENTS"] / 100
    frame["TX_FRAUD"] = (frame["TX_FRAUD_SCENARIO"] > 0).astype(int)
    return frame.sort_values(["TX_DATETIME", "id"]).reset_index(drop=True)


def spending(of_customer: pd.DataFrame) -> pd.DataFrame:
    of_customer = of_customer.set_index("TX_DATETIME")
    columns = {"id": of_customer["id"]}
    for days in WINDOWS_DAYS:
        window = of_customer["TX_AMOUNT"].rolling(f"{days}D")
        columns[f"customer_count_{days}d"] = window.count()
        columns[f"customer_mean_amount_{days}d"] = window.sum() / window.count()
    return pd.DataFrame(columns)


def terminal_risk(of_terminal: pd.DataFrame) -> pd.DataFrame:
    delay = CHARGEBACK_DELAY.days
    of_terminal = of_terminal.set_index("TX_DATETIME")
    fraud = of_terminal["TX_FRAUD"]
    columns = {"id": of_terminal["id"]}
    for days in WINDOWS_DAYS:
        longer, shorter = fraud.rolling(f"{delay + days}D"), fraud.rolling(f"{delay}D")
        count = longer.count() - shorter.count()
        columns[f"terminal_count_{days}d"] = count
        columns[f"terminal_risk_{days}d"] = ((longer.sum() - shorter.sum()) / count).fillna(0)
    return pd.DataFrame(columns)


TRANSFORMATIONS = {"CUSTOMER_ID": spending, "TERMINAL_ID": terminal_risk}


def published(frame: pd.DataFrame, entity: str) -> pd.DataFrame:
    """Return the published features of the row and of one entity, a row a payment, by id."""
    by_entity = pd.concat(TRANSFORMATIONS[entity](group) for _, group in frame.groupby(entity))
    row = frame.set_index("id")
    moment = row["TX_DATETIME"].dt
    features = {"amount": row["TX_AMOUNT"], "is_weekend": moment.day_of_week >= 5, "is_night": moment.hour <= 6}
    return pd.DataFrame(features).join(by_entity.set_index("id")).astype(float)


def ours(frame: pd.DataFrame) -> pd.DataFrame:
    instants = pl.Series(frame["TX_DATETIME"].to_numpy()).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    events = pl.DataFrame(
        {
            "transaction_id": frame["id"].astype(str).to_list(),
            "customer_id": frame["CUSTOMER_ID"].astype(str).to_list(),
            "terminal_id": frame["TERMINAL_ID"].astype(str).to_list(),
            "amount_minor": frame["AMOUNT_CENTS"].to_numpy().astype("int64"),
            "event_time": instants,
            "available_at": instants,
        }
    )
    labels = events.select(
        "transaction_id",
        "event_time",
        available_at=pl.col("event_time") + CHARGEBACK_DELAY,
        is_fraud=pl.Series(frame["TX_FRAUD"].to_numpy() > 0),
    )
    rows = compute(CARD_SPENDING, events, labels)
    values = rows.select(pl.col(CARD_SPENDING.feature_names).cast(pl.Float64)).to_dict(as_series=False)
    return pd.DataFrame(values, index=rows["transaction_id"].cast(pl.Int64).to_numpy())


@pytest.mark.parametrize("entity", ["TERMINAL_ID", "CUSTOMER_ID"])
@pytest.mark.parametrize("rounded_to", [1, 7200])
def test_every_feature_equals_the_published_transformation(entity, rounded_to):
    frame = payments(entity, rounded_to=rounded_to)
    assert frame.duplicated([entity, "TX_DATETIME"]).any() or rounded_to == 1, "the rounded slice must have ties"
    assert frame["TX_FRAUD"].sum() > 100

    expected, found = published(frame, entity), ours(frame)

    assert len(found) == len(expected)
    assert expected.shape[1] == 9, "three of the row and six of the entity"
    difference = (found.loc[expected.index, expected.columns] - expected).abs().max()
    assert (difference <= 1e-9).all(), difference[difference > 1e-9].to_dict()


@pytest.mark.slow
def test_every_feature_of_all_payments_equals_the_published_transformation():
    assert greatest_difference() <= 1e-9


def greatest_difference() -> float:
    """Return the greatest difference to the published transformation, of any feature of all the payments."""
    frame = payments("CUSTOMER_ID", rounded_to=1, share=1)
    found = ours(frame)
    return max(
        float((found.loc[expected.index, expected.columns] - expected).abs().max().max())
        for expected in (published(frame, entity) for entity in TRANSFORMATIONS)
    )
