"""The sandbox's files of every family, as its mapping knows them."""

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ledgerline.audit import Ledger
from ledgerline.core.settings import Settings
from pipelines.ingestion import Window, choose_mapping, land, mapped_datasets, source_as_of, source_digest
from pipelines.validation.landed import read_landed

APPLIED = datetime(2018, 3, 30, 9, tzinfo=UTC)
INPUTS = [
    "age",
    "income",
    "employment_years",
    "debt_to_income",
    "loan_amount",
    "loan_term_months",
    "credit_score",
    "history_years",
    "accounts",
    "total_limit",
    "utilisation",
    "payment_history",
    "derogatory_marks",
    "bankruptcies",
    "months_since_delinquency",
    "months_since_inquiry",
    "months_since_bankruptcy",
    "inquiries_6m",
    "account_diversity",
    "average_account_years",
    "worst_delinquency",
]
FILES = {
    "market/prices_daily_2017-12-29.csv": "symbol,session,open,high,low,close,volume\nAA,2017-12-29,1,2,0.5,1.5,100\n",
    "market/prices_daily_2018-09-28.csv": "symbol,session,open,high,low,close,volume\nAA,2018-09-28,2,3,1.5,2.5,0\n",
    "market/corporate_actions.csv": (
        "symbol,action,ex_date,announced_at,ratio,amount,new_symbol\n"
        "AA,split,2018-03-12,2018-03-01T21:00:00Z,2,,\n"
        "BB,symbol_change,2018-03-09,2018-03-01T21:00:00Z,,,CC\n"
    ),
    "market/instruments.csv": "symbol,company,sector\nAA,Aardvark Ltd,Mining\n",
    "economic/macro_series.csv": (
        "series_id,period,released_at,value\n"
        "GDP,2018-01-01,2018-04-27T12:30:00Z,101.0\nGDP,2018-01-01,2018-05-30T12:30:00Z,101.4\n"
    ),
    "ledger/ledger_2018-09-30.csv": (
        "entity_id,account,period,amount,closed_at,category\nU1,revenue,2018-02,-5.5,2018-03-06T08:00:00Z,retail\n"
    ),
}
POST = {"post_id": "p1", "symbol": "AA", "created_at": "2018-09-01T10:00:00Z", "text": "to the moon"}


@pytest.fixture
def world(tmp_path: Path) -> Ledger:
    """A world of all families but the card payments."""
    folder = tmp_path / "world"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "alternative").mkdir()
    (folder / "alternative/posts_2018-09-30.jsonl.gz").write_bytes(gzip.compress(json.dumps(POST).encode()))
    (folder / "applications").mkdir()
    application = {
        "APPLICATION_ID": ["A1", "A2"],
        "APPLIED_AT": APPLIED,
        "DEFAULTED": [True, None],
        "OUTCOME_AT": [APPLIED + timedelta(days=365), None],
        "GROUP": "g1",
        "purpose": "car",
        "housing": ["rent", None],
    } | {name: [1.5, None] for name in INPUTS}
    pl.DataFrame(application).write_parquet(folder / "applications/applications_2018-03-31.parquet")
    (folder / "exchange").mkdir()
    pl.DataFrame({"symbol": ["AA"]}).write_parquet(folder / "exchange/bars.parquet")
    return Ledger.open(Settings(home=tmp_path / "home", data=folder))


def rows(world: Ledger, dataset: str) -> pl.DataFrame:
    found = [read_landed(world, world.log.get(batch)) for batch in land(world, dataset).batches]
    assert [batch.unreadable.rows() for batch in found if batch.unreadable.height] == []
    return pl.concat([batch.rows for batch in found])


def test_world_without_card_payments_has_the_other_datasets_and_never_the_future(world: Ledger) -> None:
    assert choose_mapping(world.settings).name == "sandbox"
    assert mapped_datasets(world.settings) == [
        "prices_daily",
        "corporate_actions",
        "instruments",
        "macro_series",
        "posts",
        "applications",
        "ledger",
    ]
    assert "exchange" not in str(source_digest(world.settings))
    assert {source_as_of(world.settings, name) for name in mapped_datasets(world.settings)} == {
        datetime(2018, 10, 1, tzinfo=UTC)
    }


def test_bars_are_of_their_session_s_close_and_actions_of_their_ex_date_s_open(world: Ledger) -> None:
    bars = rows(world, "prices_daily").select("symbol", "close", "volume", "adjustment", "event_time")
    assert bars.rows() == [
        ("AA", 1.5, 100.0, "raw", datetime(2017, 12, 29, 21, tzinfo=UTC)),
        ("AA", 2.5, 0.0, "raw", datetime(2018, 9, 28, 20, tzinfo=UTC)),
    ]
    actions = rows(world, "corporate_actions").select("symbol", "action", "ratio", "new_symbol", "event_time")
    assert actions.rows() == [
        ("AA", "split", 2.0, None, datetime(2018, 3, 12, 13, 30, tzinfo=UTC)),
        ("BB", "symbol_change", None, "CC", datetime(2018, 3, 9, 14, 30, tzinfo=UTC)),
    ]
    assert rows(world, "instruments")["company"].to_list() == ["Aardvark Ltd"]


def test_backfill_of_a_day_takes_the_session_s_file(world: Ledger) -> None:
    day = datetime(2018, 9, 28, tzinfo=UTC)
    (batch,) = land(world, "prices_daily", window=Window(day, day + timedelta(days=1))).batches
    assert world.log.get(batch).detail["file_date"] == date(2018, 9, 28).isoformat()


def test_revision_is_a_second_row_known_later(world: Ledger) -> None:
    releases = rows(world, "macro_series").select("value", "vintage", "event_time", "available_at").rows()
    period = datetime(2018, 1, 1, tzinfo=UTC)
    assert releases == [
        (101.0, "archive", period, datetime(2018, 4, 27, 12, 30, tzinfo=UTC)),
        (101.4, "archive", period, datetime(2018, 5, 30, 12, 30, tzinfo=UTC)),
    ]


def test_post_keeps_its_own_id(world: Ledger) -> None:
    assert rows(world, "posts")["post_id"].to_list() == ["p1"]


def test_application_has_every_input_and_a_group_that_is_protected(world: Ledger) -> None:
    (batch,) = land(world, "applications").batches
    landed = read_landed(world, world.log.get(batch))
    roles = landed.contract.roles
    assert {name for name, role in roles.items() if role == "numeric"} == set(INPUTS)
    assert {name for name, role in roles.items() if role == "categorical"} == {"purpose", "housing"}
    assert roles["group"] == "protected"
    outcomes = landed.rows.select("application_id", "defaulted", "outcome_at", "event_time", "income", "housing")
    assert outcomes.rows() == [
        ("A1", True, APPLIED + timedelta(days=365), APPLIED, 1.5, "rent"),
        ("A2", None, None, APPLIED, None, None),
    ]


def test_month_of_the_ledger_ends_before_the_next_and_is_known_when_it_is_closed(world: Ledger) -> None:
    (row,) = rows(world, "ledger").select("entity_id", "account", "amount", "event_time", "available_at").rows()
    end = datetime(2018, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
    assert row == ("U1", "revenue", -5.5, end, datetime(2018, 3, 6, 8, tzinfo=UTC))
