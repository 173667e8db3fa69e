"""Count and time the requests for decisions, from the outside, refusals included."""

import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledgerline.services.scoring.metrics import ScoringMetrics

_OTHER = "none"


class Measured:
    """ASGI middleware that tells the metrics the status and duration of every request below ``/v1/``.

    Args:
        app: What it stands before.
        metrics: Told.
        families: Family by path; other paths below ``/v1/`` are counted together.
    """

    def __init__(self, app: ASGIApp, *, metrics: ScoringMetrics, families: Mapping[str, str]) -> None:
        self._app = app
        self._metrics = metrics
        self._families = dict(families)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer and note what it said."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        family = self._families.get(scope["path"], _OTHER)
        started = time.perf_counter()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(family, message["status"], time.perf_counter() - started)
            await send(message)

        with self._metrics.under_way():
            await self._app(scope, receive, note)
