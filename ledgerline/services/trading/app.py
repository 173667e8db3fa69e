"""The HTTP face of the trading job, for this machine alone: is it alive, does it trade, how does it stand, and HALT."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ledgerline.audit import Ledger
from ledgerline.core.clock import instant_text
from ledgerline.decisions.trading.book import trading_status
from ledgerline.decisions.trading.halt import halt_trading
from ledgerline.decisions.trading.schema import ensure_trading_tables
from ledgerline.decisions.trading.venue import Venue
from ledgerline.services.trading.metrics import TradingMetrics
from ledgerline.services.trading.trader import Trader

LOCAL_NAMES = ("127.0.0.1", "localhost")
_LARGEST_BODY = 4 * 1024


class HaltRequest(BaseModel):
    """Who stops trading, and why."""

    model_config = ConfigDict(extra="forbid")

    person: str = Field(min_length=1, max_length=200, description="Name of who halts; it stays on record.")
    reason: str = Field(min_length=1, max_length=1000, description="Why; it stays on record.")


class TradingReadiness(BaseModel):
    """Whether orders are made, by which model, and if not, why."""

    ready: bool
    code: str = Field(description="trading, or why the job holds, e.g. model_refused, halted, venue_unavailable.")
    model: str | None = Field(default=None, description="Family and version.")
    digest: str | None = Field(default=None, description="The bundle that decides.")
    deployment: str | None = Field(default=None, description="Leaf id of its deployment.")
    approved_until: str | None = Field(default=None, description="When the first of its approvals lapses, UTC.")
    holding_because: str | None = Field(default=None, description="For people.")
    refused_because: str | None = Field(default=None, description="Why a newer deployment is not taken up.")
    session: str | None = Field(default=None, description="The session that closed last, by the venue's clock.")


class TradingJob:
    """What one process runs.

    Args:
        ledger: The installation.
        venue: Where orders go.
        every: Pause between two turns of the loop.
        stopping: Shared with the venue's pauses.
    """

    def __init__(self, ledger: Ledger, venue: Venue, *, every: timedelta, stopping: threading.Event) -> None:
        self.ledger = ledger
        self.metrics = TradingMetrics()
        self.trader = Trader(ledger, venue, self.metrics, every=every, stopping=stopping)

    @asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        """Trade for as long as the application is up."""
        await asyncio.to_thread(ensure_trading_tables, self.ledger)
        self.trader.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.trader.stop)

    def readiness(self) -> TradingReadiness:
        """Say whether orders are made."""
        state, refused = self.trader.state, self.trader.refused
        serving = state.serving
        return TradingReadiness(
            ready=not state.holds,
            code=state.code,
            model=serving.name if serving else None,
            digest=serving.digest if serving else None,
            deployment=serving.deployment.id if serving else None,
            approved_until=instant_text(serving.approved_until) if serving else None,
            holding_because=state.message if state.holds else None,
            refused_because=refused.message if refused and serving else None,
            session=state.session.isoformat() if state.session else None,
        )


def create_app(
    ledger: Ledger, venue: Venue, *, every: timedelta, stopping: threading.Event, names: Sequence[str] = LOCAL_NAMES
) -> FastAPI:
    """Make the trading application for an installation.

    Args:
        ledger: The installation.
        venue: Where orders go.
        every: Pause between two turns of the loop.
        stopping: Ends the loop and cuts the venue's pauses short.
        names: Host names under which it may be asked. A web page that points its own name here is turned away.
    """
    job = TradingJob(ledger, venue, every=every, stopping=stopping)
    app = FastAPI(
        title="Ledgerline trading",
        version="1",
        description="Trades on paper by the approved price model. What it decides is on record before it leaves.",
        lifespan=job.running,
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(names))
    _add_operations(app, job)
    _add_trading(app, job)
    return app


def _add_operations(app: FastAPI, job: TradingJob) -> None:
    @app.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        """Return 200 while the process runs, whether or not it trades."""
        return {"status": "ok"}

    @app.get("/readyz", summary="Are orders made, and by which model?", responses={503: {"model": TradingReadiness}})
    async def readyz(response: Response) -> TradingReadiness:
        """Return 200 with the digest of the bundle that decides, otherwise 503 with the reason."""
        readiness = job.readiness()
        response.status_code = 200 if readiness.ready else 503
        return readiness

    @app.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        """Return turns, decisions, orders and the account in Prometheus' text format."""
        return Response(job.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_trading(app: FastAPI, job: TradingJob) -> None:
    @app.get("/v1/trading/status", summary="How does trading stand?")
    async def status() -> dict[str, Any]:
        """Return orders, fills, positions, performance, halt and why the job holds, from what is on record."""
        found = await asyncio.to_thread(trading_status, job.ledger)
        return {**found, "readiness": job.readiness().model_dump()}

    @app.post(
        "/v1/trading/halt",
        summary="Stop all new risk",
        response_class=JSONResponse,
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": HaltRequest.model_json_schema()}}}},
    )
    async def halt(request: Request) -> JSONResponse:
        """Halt trading in a person's name. It stays halted, over restarts, until a person clears it on this machine."""
        asked = await _halt_request(request)
        if isinstance(asked, str):
            return JSONResponse({"code": "invalid_request", "message": asked}, status_code=422)
        made = await asyncio.to_thread(halt_trading, job.ledger, person=asked.person, reason=asked.reason)
        return JSONResponse({"halted": True, "leaf": made.leaf, "person": made.person, "reason": made.reason})


async def _halt_request(request: Request) -> HaltRequest | str:
    """Return what is asked, or what is wrong with it; a page on the web cannot send JSON unasked."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        return "the content type must be application/json"
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            return f"a request may have {_LARGEST_BODY} bytes"
    try:
        asked = HaltRequest.model_validate(json.loads(body))
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in errors)
    except ValueError:
        return "the body is no valid JSON"
    return asked if asked.person.strip() and asked.reason.strip() else "person and reason must say something"
