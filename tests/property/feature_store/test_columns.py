"""A feature reads the columns that are named, and no other: on other data than those by which they were found out."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.columns import columns_read
from feature_store.sources import empty_rows
from feature_store.view import FeatureView
from feature_store.views import VIEWS, View
from ledgerline.core.contracts import (
    APPLICATIONS,
    CORPORATE_ACTIONS,
    FRAUD_LABELS,
    LEDGER,
    MACRO_SERIES,
    POSTS,
    PRICES_DAILY,
    TRANSACTIONS,
    DatasetContract,
)

START = datetime(2020, 1, 1, 21, tzinfo=UTC)
OWN = ("income", "loan_amount", "employment_years", "age", "purpose", "income_to_loan", "employment_stability")
Tables = dict[str, pl.DataFrame]


def day(number: float) -> datetime:
    return START + timedelta(days=float(number))


def frame(contract: DatasetContract, rows: Iterator[tuple[Any, ...]]) -> Tables:
    return {contract.name: pl.DataFrame(list(rows), schema=empty_rows(contract).schema, orient="row")}


def payments(random: np.random.Generator) -> Tables:
    """Payments of few cards over eighty days: some late, some twice with other amounts, many at one instant."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for number in range(300):
            for _ in range(1 + (random.random() < 0.2)):
                made = day(int(random.integers(0, 320)) / 4)
                late = timedelta(days=int(random.integers(0, 3)) if random.random() < 0.3 else 0)
                card, shop = f"c{random.integers(4)}", f"t{random.integers(4)}"
                currency = str(random.choice(["EUR", "USD"]))
                yield str(number), card, shop, int(random.integers(1, 9_999)), currency, made, made + late

    def labels() -> Iterator[tuple[Any, ...]]:
        for number in range(300):
            for _ in range(int(random.integers(0, 3))):
                known = day(float(random.uniform(0, 80)))
                yield str(number), bool(random.random() < 0.5), int(random.integers(3)), day(number / 4), known

    return frame(TRANSACTIONS, rows()) | frame(FRAUD_LABELS, labels())


def books(random: np.random.Generator) -> Tables:
    """Three entities' accounts over three years: months late, restated, missing."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for month in range(36):
            end = datetime(2020 + (month + 1) // 12, (month + 1) % 12 + 1, 1, tzinfo=UTC)
            for entity in "abc":
                for account in ("cost", "value"):
                    for _ in range(int(random.integers(0, 3))):
                        known = end + timedelta(days=int(random.integers(1, 50)))
                        category = str(random.choice(["x", "y"]))
                        yield entity, account, float(random.normal(50, 20)), category, end, known

    return frame(LEDGER, rows())


def loans(random: np.random.Generator) -> Tables:
    """Applications of a lender, most of them restated with other figures; some figures are not known."""
    count = 80
    known = [day(number / 3 + int(random.integers(0, 9))) for number in range(count)]
    rows = pl.DataFrame(
        {
            "application_id": [str(number) for number in random.integers(0, count // 2, count)],
            "portfolio": random.choice(["loans", "cards"], count),
            "defaulted": random.random(count) < 0.5,
            "outcome_at": [at + timedelta(days=int(random.integers(300, 500))) for at in known],
            "dated": random.random(count) < 0.5,
            "event_time": known,
            "available_at": known,
        },
        schema=empty_rows(APPLICATIONS).schema,
    )
    figures = {name: random.uniform(1, 9, count).round(3) for name in OWN[:4]}
    numbers = (
        pl.Series(name, values).set(pl.Series(random.random(count) < 0.05), None) for name, values in figures.items()
    )
    return {"applications": rows.with_columns(*numbers, pl.Series("purpose", random.choice(["car", "home"], count)))}


def market(random: np.random.Generator) -> Tables:
    """Five shares and two indexes over half a year and a quarter, with splits, changed names and all their dirt."""
    sessions = 170
    symbols = {"AAA": 150, "BBB": 155, "CCC": 0, "DDD": 0, "EEE": 140, "IX1": 145, "IX2": 0}

    def bars() -> Iterator[tuple[Any, ...]]:
        for symbol, renamed in symbols.items():
            close = 50.0
            for session in range(sessions):
                close *= float(np.exp(random.normal(0, 0.03)))
                if random.random() < 0.01:
                    continue
                name = f"{symbol}N" if renamed and session >= renamed else symbol
                kind = "index" if symbol.startswith("IX") else "equity"
                for again in range(1 + (random.random() < 0.01)):
                    late = int(random.integers(1, 4)) if again or random.random() < 0.01 else 0
                    price = close * (1 + 0.02 * again)
                    high, low, opened = (
                        price * 1.02,
                        price * float(random.uniform(0.95, 0.97)),
                        price * float(random.uniform(0.97, 1.02)),
                    )
                    prices = (opened, high, low, price, float(random.uniform(1, 9)), float(random.integers(100, 999)))
                    adjustment = str(random.choice(["raw", "all"], p=[0.7, 0.3]))
                    yield name, *prices, adjustment, kind, day(session), day(session + late)

    def actions() -> Iterator[tuple[Any, ...]]:
        for number, session in enumerate(range(10, sessions, 3)):
            symbol = list(symbols)[number % len(symbols)]
            action = "split" if number % 3 else "dividend"
            known = session - 40 if number % 4 else session + 2
            ratio, amount = float(random.choice([2.0, 3.0, 0.5])), float(random.uniform(1, 2))
            yield symbol, action, ratio, amount, f"{symbol}X", day(session - 0.2), day(known)
        for symbol, session in symbols.items():
            if session:
                known = session - 90 if symbol != "BBB" else session + 3
                yield symbol, "symbol_change", 1.5, 0.5, f"{symbol}N", day(session - 0.2), day(known)

    def figures() -> Iterator[tuple[Any, ...]]:
        for series in ("VIX", "TREASURY_10Y", "TREASURY_2Y", "WTI", "OTHER"):
            for session in range(90, sessions):
                vintage = str(random.choice(["archive", "none"]))
                yield series, float(random.uniform(1, 30)), vintage, day(session), day(session + 1)
        for series in ("CPI", "UNRATE", "GDP"):
            for month in range(34):
                period = datetime(2018 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
                for delay in (40, 75):
                    vintage = str(random.choice(["archive", "none"]))
                    yield series, float(random.uniform(9, 20)), vintage, period, period + timedelta(days=delay)

    def posts() -> Iterator[tuple[Any, ...]]:
        for number in range(300):
            text = str(random.choice(["great, love it", "awful loss", "it is", "bad", "good and better"]))
            at, symbol = day(float(random.uniform(80, sessions))), str(random.choice([*symbols, "AAAN"]))
            yield str(number), symbol, text, at - timedelta(hours=1), at

    return (
        frame(PRICES_DAILY, bars())
        | frame(CORPORATE_ACTIONS, actions())
        | frame(MACRO_SERIES, figures())
        | frame(POSTS, posts())
    )


@dataclass(frozen=True)
class Case:
    """A view, what makes histories for it, and how many are looked at."""

    view: View
    make: Callable[[np.random.Generator], Tables]
    features: Sequence[str]
    histories: int


CASES = {
    name: Case(VIEWS[name], make, VIEWS[name].feature_names or OWN, histories)
    for name, make, histories in (
        ("card_spending", payments, 12),
        ("ledger_monthly", books, 12),
        ("credit_application", loans, 12),
        ("equity_daily", market, 2),
    )
}


@cache
def named(name: str) -> Mapping[str, Sequence[str]]:
    case = CASES[name]
    return columns_read(case.view, case.features)


def alike(view: View, before: pl.DataFrame, after: pl.DataFrame, feature: str, *, without: str) -> bool:
    """Whether every row has the same value, the rows being told apart by all but the column that was scrambled."""
    own = view.events if isinstance(view, FeatureView) else view.primary
    names = [name for name in view.row_name if name in own.column_names and name != without]
    one, other = (computed.select(*names, feature) for computed in (before, after))
    if one.equals(other):
        return True
    ones, others = (sorted(rows.rows(), key=repr) for rows in (one, other))
    return len(ones) == len(others) and all(map(same, ones, others))


def same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    (*names, value), (*others, again) = one, other
    if names != others:
        return False
    if isinstance(value, float) and isinstance(again, float):
        return math.isclose(value, again, rel_tol=1e-9)
    return bool(value == again)


def changes(case: Case, seed: int) -> Iterator[tuple[str, str]]:
    """Scramble one column of a history after the other; yield which features came out otherwise by which column."""
    random = np.random.default_rng(seed)
    tables = case.make(random)
    before = case.view.compute(tables)
    for contract, table in tables.items():
        for column in table.columns:
            order = random.permutation(table.height)
            after = case.view.compute({**tables, contract: table.with_columns(table[column][order])})
            for feature in case.features:
                if not alike(case.view, before, after, feature, without=column):
                    yield feature, f"{contract}.{column}"


@pytest.mark.parametrize("name", CASES)
def test_no_column_that_is_not_named_changes_a_feature_and_every_one_that_is_named_does(name: str):
    case, unseen = CASES[name], {(feature, column) for feature, columns in named(name).items() for column in columns}
    told = frozenset(unseen)
    for seed in range(case.histories):
        found = set(changes(case, seed))
        assert found <= told
        unseen -= found
    assert unseen == set()


@pytest.mark.parametrize("name", [name for name in CASES if name != "equity_daily"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(1_000, 2**32))
def test_no_column_that_is_not_named_changes_a_feature_of_any_history(name: str, seed: int):
    told = {(feature, column) for feature, columns in named(name).items() for column in columns}
    assert set(changes(CASES[name], seed)) <= told
