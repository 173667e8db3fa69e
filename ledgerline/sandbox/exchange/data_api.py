"""Alpaca's market data API: daily bars of several symbols, page by page, and never one that has not closed."""

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from fastapi import APIRouter, Request

from ledgerline.sandbox.exchange.engine import Exchange
from ledgerline.sandbox.exchange.messages import NEW_YORK, bar_message
from ledgerline.sandbox.exchange.requests import BarsRequest, page_token
from ledgerline.sandbox.exchange.tape import Bar


def data_api(exchange: Exchange) -> APIRouter:
    """Return the routes of the market data API."""
    api = APIRouter()

    @api.get("/v2/stocks/bars")
    def bars(request: Request) -> Any:
        return _page(exchange, BarsRequest.of(dict(request.query_params)))

    return api


def _page(exchange: Exchange, asked: BarsRequest) -> dict[str, Any]:
    bars: dict[str, list[dict[str, Any]]] = {}
    last: tuple[str, date] | None = None
    for count, (symbol, bar) in enumerate(_found(exchange, asked)):
        if count == asked.limit and last is not None:
            return {"bars": bars, "next_page_token": page_token(*last)}
        bars.setdefault(symbol, []).append(bar_message(bar))
        last = symbol, bar.session
    return {"bars": bars, "next_page_token": None}


def _found(exchange: Exchange, asked: BarsRequest) -> Iterator[tuple[str, Bar]]:
    moment = exchange.moment()
    if moment.session is None:
        return
    today = moment.now.astimezone(NEW_YORK).date()
    first = _first_session(asked.start) if asked.start else today
    last = min(asked.end.astimezone(NEW_YORK).date() if asked.end else moment.session, moment.session)
    for symbol in asked.symbols:
        bars = list(exchange.tape.bars(symbol, first=first, last=last))
        for bar in reversed(bars) if asked.descending else bars:
            if asked.after is None or _is_after(symbol, bar, asked.after, descending=asked.descending):
                yield symbol, bar


def _first_session(start: datetime) -> date:
    """Return the first day whose midnight in New York is not before an instant."""
    local = start.astimezone(NEW_YORK)
    day = local.date()
    return day if local.time() == time() else date.fromordinal(day.toordinal() + 1)


def _is_after(symbol: str, bar: Bar, place: tuple[str, date], *, descending: bool) -> bool:
    if symbol != place[0]:
        return symbol > place[0]
    return bar.session < place[1] if descending else bar.session > place[1]
