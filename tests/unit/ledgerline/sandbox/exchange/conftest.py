"""Small markets made by hand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import pytest

from ledgerline.sandbox.exchange.engine import Exchange
from ledgerline.sandbox.exchange.tape import Bar, CorporateAction, Tape
from ledgerline.sandbox.sessions import session_dates

PAST, FUTURE = session_dates(2, 0), session_dates(0, 4)


def bars_at(price: str, volume: int = 1_000_000, *, days: Sequence[date] = (*PAST, *FUTURE)) -> list[Bar]:
    exact = Decimal(price)
    return [Bar(day, exact, exact, exact, exact, volume) for day in days]


class OpenExchange(Protocol):
    def __call__(
        self,
        bars: Mapping[str, Sequence[Bar]] | None = None,
        actions: Mapping[date, Sequence[CorporateAction]] | None = None,
        *,
        future: Sequence[date] = FUTURE,
        identity: str = "a world",
    ) -> Exchange: ...


@pytest.fixture
def bars_of() -> Callable[..., list[Bar]]:
    return bars_at


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenExchange]:
    """Opens an exchange with AAA at 50 and BBB at 20, unless said otherwise; again: with the same books."""
    exchanges: list[Exchange] = []

    def open_one(
        bars: Mapping[str, Sequence[Bar]] | None = None,
        actions: Mapping[date, Sequence[CorporateAction]] | None = None,
        *,
        future: Sequence[date] = FUTURE,
        identity: str = "a world",
    ) -> Exchange:
        days = (*PAST, *future)
        whole = {"AAA": bars_at("50", days=days), "BBB": bars_at("20", days=days), **(bars or {})}
        tape = Tape(whole, future=future, actions=actions or {}, names={"AAA": "Alpha"}, identity=identity)
        exchanges.append(Exchange(tape, tmp_path / "exchange.db"))
        return exchanges[-1]

    yield open_one
    for exchange in exchanges:
        exchange.close()
