"""What only a sandbox has: a clock that moves when it is asked to, and faults to order."""

from typing import Any

from fastapi import APIRouter

from ledgerline.sandbox.exchange.engine import Exchange
from ledgerline.sandbox.exchange.faults import Fault, FaultList
from ledgerline.sandbox.exchange.messages import clock_message
from ledgerline.sandbox.exchange.pace import Pace
from ledgerline.sandbox.exchange.refusals import malformed
from ledgerline.sandbox.exchange.requests import ClockRequest, FaultRequest

_USUAL_SECONDS = 1.0


def sandbox_api(exchange: Exchange, pace: Pace, faults: FaultList) -> APIRouter:
    """Return the routes."""
    api = APIRouter()

    def clock_values() -> dict[str, Any]:
        moment, seconds = exchange.moment(), pace.seconds_per_session
        return {
            **clock_message(moment),
            "session": moment.session.isoformat() if moment.session else None,
            "sessions_passed": moment.passed,
            "sessions_left": moment.left,
            "running": seconds is not None and not moment.ended,
            "seconds_per_session": seconds,
            "ended": moment.ended,
        }

    @api.get("/sandbox/clock")
    def clock() -> Any:
        return clock_values()

    @api.post("/sandbox/clock")
    def move(request: ClockRequest) -> Any:
        if (request.run is None) == (request.steps is None):
            raise malformed('say either {"run": true}, {"run": false} or {"steps": 1}')
        if request.steps is not None:
            for _ in range(request.steps):
                exchange.pass_session()
        elif request.run:
            pace.run(request.seconds_per_session or _USUAL_SECONDS)
        else:
            pace.stand()
        return clock_values()

    @api.get("/sandbox/faults")
    def waiting_faults() -> Any:
        return faults.values()

    @api.post("/sandbox/faults")
    def add_fault(request: FaultRequest) -> Any:
        faults.add(Fault(request.path, request.kind, request.times, request.method, request.seconds))
        return faults.values()

    @api.delete("/sandbox/faults")
    def clear_faults() -> Any:
        faults.clear()
        return faults.values()

    return api
