"""Limits on what a request may send, seen by a bare ASGI application."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from ledgerline.services.scoring.http_limits import BodyLimit


async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def ask(messages: Sequence[Message], *, length: str | None = None, hang: bool = False) -> tuple[int | None, bytes]:
    """Send ``messages`` through the limit (10 bytes, 50 ms) and return status and body."""
    waiting, sent = list(messages), []

    async def receive() -> Message:
        if not waiting and hang:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-length", length.encode())] if length else []
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    asyncio.run(BodyLimit(echo, largest=10, seconds=0.05)(scope, receive, send))
    status = next((message["status"] for message in sent if message["type"] == "http.response.start"), None)
    return status, b"".join(message.get("body", b"") for message in sent)


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_pieces_reaches_the_application_whole() -> None:
    assert ask([part(b"01234", more=True), part(b"56789")]) == (200, b"0123456789")


def test_an_announced_body_that_is_too_large_is_not_even_read() -> None:
    status, body = ask([], length="11")
    assert status == 413
    assert b"body_too_large" in body


@pytest.mark.parametrize("length", [None, "3", "-5", "many"])
def test_a_body_larger_than_announced_is_cut_off(length: str | None) -> None:
    assert ask([part(b"012345", more=True), part(b"678910", more=True)], length=length)[0] == 413


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    assert ask([part(b"0", more=True)], hang=True)[0] == 408


def test_a_client_that_goes_away_gets_no_answer() -> None:
    assert ask([part(b"0", more=True), {"type": "http.disconnect"}]) == (None, b"")
