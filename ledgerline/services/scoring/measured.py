"""Count and time the requests to score, from the outside, refusals included."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledgerline.services.scoring.metrics import ScoringMetrics


class Measured:
    """ASGI middleware that tells the metrics the status and duration of every request below ``/v1/``.

    Args:
        app: What it stands before.
        metrics: Told.
    """

    def __init__(self, app: ASGIApp, *, metrics: ScoringMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer and note what it said."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(message["status"], time.perf_counter() - started)
            await send(message)

        with self._metrics.under_way():
            await self._app(scope, receive, note)
