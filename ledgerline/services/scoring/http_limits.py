"""What every request must keep to before the application sees it: a bounded body, sent within bounded time."""

import asyncio

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledgerline.services.scoring.problems import problem_response


class _TooLarge(Exception):
    """More bytes came than may."""


class BodyLimit:
    """ASGI middleware that reads a request's body whole, within limits, and hands it on.

    Args:
        app: What it stands before.
        largest: Bytes that a body may have.
        seconds: Within which it must have come.
    """

    def __init__(self, app: ASGIApp, *, largest: int, seconds: float) -> None:
        self._app = app
        self._largest = largest
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 or 408 for a body that breaks the limits; otherwise let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._body(scope, receive)
        except _TooLarge:
            message = f"a request may have {self._largest} bytes; this one has more"
            await problem_response(413, "body_too_large", message, close=True)(scope, receive, send)
        except TimeoutError:
            message = f"the request's body did not come within {self._seconds:g} seconds"
            await problem_response(408, "body_too_slow", message, close=True)(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, _handing_on(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._largest:
            raise _TooLarge
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > self._largest:
                raise _TooLarge
            if not message.get("more_body", False):
                return bytes(body)


def _handing_on(body: bytes, receive: Receive) -> Receive:
    handed = False

    async def hand_on() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return hand_on
