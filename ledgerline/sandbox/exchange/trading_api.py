"""Alpaca's trading API: account, orders, positions, clock, calendar, assets."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from ledgerline.sandbox.exchange.engine import Exchange
from ledgerline.sandbox.exchange.journal import StoredOrder
from ledgerline.sandbox.exchange.messages import (
    account_message,
    asset_id,
    asset_message,
    calendar_message,
    clock_message,
    order_message,
    position_message,
)
from ledgerline.sandbox.exchange.refusals import absent, malformed
from ledgerline.sandbox.exchange.requests import instant, new_order
from ledgerline.sandbox.sessions import PRESENT, sessions_between

_USUAL_ORDERS, _MOST_ORDERS = 50, 500
_LISTED = {
    "open": lambda order: order.status.is_open,
    "closed": lambda order: not order.status.is_open,
    "all": lambda _: True,
}


def trading_api(exchange: Exchange) -> APIRouter:
    """Return the routes of the trading API."""
    api = APIRouter()

    @api.get("/v2/account")
    def account() -> Any:
        return account_message(exchange.standing(), account_id=exchange.account_id, created_at=PRESENT)

    @api.get("/v2/clock")
    def clock() -> Any:
        return clock_message(exchange.moment())

    @api.get("/v2/calendar")
    def calendar(start: str | None = None, end: str | None = None) -> Any:
        known = (*exchange.tape.past, *exchange.tape.future) or (PRESENT.date(),)
        first = instant(start).date() if start else known[0]
        last = instant(end).date() if end else known[-1]
        return [calendar_message(session) for session in sessions_between(first, last)]

    _add_assets(api, exchange)
    _add_positions(api, exchange)
    _add_orders(api, exchange)
    return api


def _add_assets(api: APIRouter, exchange: Exchange) -> None:
    def message(symbol: str) -> dict[str, Any]:
        name = exchange.tape.names.get(symbol, symbol)
        return asset_message(symbol, name=name, is_traded=exchange.is_traded(symbol))

    def known() -> list[str]:
        newest = exchange.newest_session()
        return [name for name in exchange.tape.symbols if newest and exchange.tape.latest(name, newest)]

    @api.get("/v2/assets")
    def assets(status: str | None = None) -> Any:
        return [found for found in map(message, known()) if status in (None, found["status"])]

    @api.get("/v2/assets/{symbol_or_id}")
    def asset(symbol_or_id: str) -> Any:
        for symbol in known():
            if symbol_or_id in (symbol, asset_id(symbol)):
                return message(symbol)
        raise absent(f"asset not found for {symbol_or_id}")


def _add_positions(api: APIRouter, exchange: Exchange) -> None:
    @api.get("/v2/positions")
    def positions() -> Any:
        return [position_message(holding) for holding in exchange.standing().holdings]

    @api.get("/v2/positions/{symbol_or_id}")
    def position(symbol_or_id: str) -> Any:
        for holding in exchange.standing().holdings:
            if symbol_or_id in (holding.position.symbol, asset_id(holding.position.symbol)):
                return position_message(holding)
        raise absent("position does not exist")


def _add_orders(api: APIRouter, exchange: Exchange) -> None:
    @api.get("/v2/orders:by_client_order_id")
    def by_client_order_id(client_order_id: str) -> Any:
        return order_message(exchange.order_named(client_order_id))

    @api.get("/v2/orders/{order_id}")
    def order(order_id: str) -> Any:
        return order_message(exchange.order(order_id))

    @api.get("/v2/orders")
    def orders(request: Request) -> Any:
        return [order_message(found) for found in _listed(exchange.orders(), dict(request.query_params))]

    @api.post("/v2/orders")
    async def submit(request: Request) -> Any:
        try:
            body = await request.json()
        except ValueError:
            raise malformed("request body format is invalid") from None
        return order_message(await run_in_threadpool(exchange.submit, new_order(body)))

    @api.delete("/v2/orders")
    def cancel_all() -> Any:
        canceled = exchange.cancel_all()
        answers = [{"id": found.id, "status": 200, "body": order_message(found)} for found in canceled]
        return JSONResponse(answers, status_code=207)

    @api.delete("/v2/orders/{order_id}")
    def cancel(order_id: str) -> Any:
        exchange.cancel(order_id)
        return Response(status_code=204)


def _listed(orders: Iterable[StoredOrder], query: dict[str, str]) -> list[StoredOrder]:
    status, limit, direction = query.get("status", "open"), query.get("limit", ""), query.get("direction", "desc")
    if status not in _LISTED or direction not in ("asc", "desc"):
        raise malformed(f"status is open, closed or all, and direction asc or desc, not {status!r} and {direction!r}")
    if limit and not (limit.isdecimal() and 1 <= int(limit) <= _MOST_ORDERS):
        raise malformed(f"limit is 1 to {_MOST_ORDERS}, not {limit!r}")
    symbols = set(filter(None, query.get("symbols", "").split(",")))
    found = [
        order
        for order in orders
        if _LISTED[status](order)
        and (not symbols or order.symbol in symbols)
        and query.get("side") in (None, order.side)
        and ("after" not in query or instant(order.submitted_at) > instant(query["after"]))
        and ("until" not in query or instant(order.submitted_at) <= instant(query["until"]))
    ]
    return (found if direction == "asc" else found[::-1])[: int(limit or _USUAL_ORDERS)]
