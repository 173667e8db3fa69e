"""The exchange's HTTP face: for this machine alone, and for those alone who know its credentials."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ledgerline.sandbox.exchange.data_api import data_api
from ledgerline.sandbox.exchange.engine import Exchange
from ledgerline.sandbox.exchange.faults import FaultList, FaultyAnswers, Hang
from ledgerline.sandbox.exchange.pace import Pace
from ledgerline.sandbox.exchange.refusals import Refused, forbidden
from ledgerline.sandbox.exchange.sandbox_api import sandbox_api
from ledgerline.sandbox.exchange.trading_api import trading_api

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
_VENUE = "/v2/"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client must show.

    Attributes:
        key_id: Who.
        secret_key: Proof of it.
    """

    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)

    def admit(self, headers: Headers) -> bool:
        """Whether a request's headers show them; how long the answer takes says nothing about them."""
        shown = headers.get("APCA-API-KEY-ID", ""), headers.get("APCA-API-SECRET-KEY", "")
        same = [
            secrets.compare_digest(one.encode(), other.encode())
            for one, other in zip(shown, (self.key_id, self.secret_key), strict=True)
        ]
        return all(same)


def create_app(
    exchange: Exchange, credentials: Credentials, *, hang_up: Hang, names: Sequence[str] = LOCAL_NAMES
) -> FastAPI:
    """Make the exchange's application.

    ``/v2/`` is the venue, and asks for credentials. ``/sandbox/`` is nobody's money; it is refused to web pages, which
    can neither name this machine otherwise nor send JSON to it.

    Args:
        exchange: What is served.
        credentials: What clients must show.
        hang_up: Ends a request's connection, for faults.
        names: Host names under which it may be asked.
    """
    pace, faults = Pace(exchange), FaultList()

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        pace.start()
        try:
            yield
        finally:
            await asyncio.to_thread(pace.stop)

    app = FastAPI(
        title="Sandbox exchange", version="1", docs_url=None, redoc_url=None, openapi_url=None, lifespan=running
    )
    app.include_router(trading_api(exchange))
    app.include_router(data_api(exchange))
    app.include_router(sandbox_api(exchange, pace, faults))
    app.add_exception_handler(Refused, _refusal)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    # The last one added stands first: host, then credentials, then what may go wrong.
    app.add_middleware(FaultyAnswers, faults=faults, below=_VENUE, hang_up=hang_up)
    app.add_middleware(_Admission, credentials=credentials)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(names))
    return app


class _Admission:
    """ASGI middleware that lets nobody without credentials to the venue, and no web page to anything."""

    def __init__(self, app: ASGIApp, *, credentials: Credentials) -> None:
        self._app = app
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        stranger = scope["path"].startswith(_VENUE) and not self._credentials.admit(headers)
        if stranger or "origin" in headers:
            refused = forbidden()
            await _answer(refused)(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _refusal(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Refused):
        raise error
    return _answer(error)


async def _misunderstood(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return JSONResponse({"code": 40010000, "message": said}, status_code=400)


def _answer(refused: Refused) -> JSONResponse:
    return JSONResponse({"code": refused.code, "message": str(refused)}, status_code=refused.status)
