"""How the exchange may fail when it is told to: before the effect, after it, or with an answer of yesterday."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_SECONDS = 600.0


class FaultKind(StrEnum):
    """What goes wrong.

    Attributes:
        ERROR: Answers 500, without effect.
        TIMEOUT: Has its effect, then answers nothing for long, and then nothing at all.
        DROP_AFTER_COMMIT: Has its effect, and the connection ends without an answer.
        REPEAT: Has no effect, and the last answer to the same method and path is given once more.
    """

    ERROR = "500"
    TIMEOUT = "timeout"
    DROP_AFTER_COMMIT = "drop_after_commit"
    REPEAT = "repeat"


@dataclass(slots=True)
class Fault:
    """A fault that waits for its request.

    Attributes:
        path: The request's path; with ``*`` at its end, how it begins.
        kind: What goes wrong.
        times: How often still.
        method: Only of this method; None for any.
        seconds: Of a time-out: how long nothing is answered.
    """

    path: str
    kind: FaultKind
    times: int
    method: str | None
    seconds: float

    def concerns(self, method: str, path: str) -> bool:
        """Whether it is about a request."""
        same_path = path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path
        return same_path and self.method in (None, method)


@dataclass(frozen=True, slots=True)
class _Answer:
    start: Message
    body: bytes


class FaultList:
    """The faults that wait, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let something go wrong."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return what goes wrong with a request, once less from now on."""
        with self._lock:
            fault = next((each for each in self._faults if each.concerns(method, path)), None)
            if fault is not None:
                fault.times -= 1
                self._faults = [each for each in self._faults if each.times > 0]
            return fault

    def values(self) -> list[dict[str, Any]]:
        """Return the faults as JSON values."""
        with self._lock:
            return [
                {
                    "path": each.path,
                    "kind": each.kind.value,
                    "times": each.times,
                    "method": each.method,
                    "seconds": each.seconds,
                }
                for each in self._faults
            ]


Hang = Callable[[Scope], None]
"""Ends the connection of a request without a word."""


class FaultyAnswers:
    """ASGI middleware that lets the faults of a list happen to requests below one path.

    Args:
        app: What it stands before.
        faults: What is to go wrong.
        below: Only what begins like this.
        hang_up: Ends a connection.
    """

    def __init__(self, app: ASGIApp, *, faults: FaultList, below: str, hang_up: Hang) -> None:
        self._app = app
        self._faults = faults
        self._below = below
        self._hang_up = hang_up
        self._last: dict[tuple[str, str], _Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or fail to."""
        if scope["type"] != "http" or not scope["path"].startswith(self._below):
            await self._app(scope, receive, send)
            return
        key = scope["method"], scope["path"]
        fault = self._faults.take(*key)
        if fault is not None and fault.kind is FaultKind.ERROR:
            content = {"code": 50010000, "message": "internal server error occurred"}
            await JSONResponse(content, status_code=500)(scope, receive, send)
            return
        if fault is not None and fault.kind is FaultKind.REPEAT and key in self._last:
            await _give(self._last[key], send)
            return
        answer = await self._answered(scope, receive)
        self._last[key] = answer
        if fault is None or fault.kind is FaultKind.REPEAT:
            await _give(answer, send)
            return
        if fault.kind is FaultKind.TIMEOUT:
            await asyncio.sleep(fault.seconds)
        self._hang_up(scope)
        while (await receive())["type"] != "http.disconnect":  # the server notices before it is given back
            pass

    async def _answered(self, scope: Scope, receive: Receive) -> _Answer:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        start, *parts = messages
        return _Answer(start, b"".join(part.get("body", b"") for part in parts))


async def _give(answer: _Answer, send: Send) -> None:
    await send(answer.start)
    await send({"type": "http.response.body", "body": answer.body})
