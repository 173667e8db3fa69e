"""Whether a program serves."""

import socket

import httpx

_TIMEOUT_SECONDS = 2.0


def answers(url: str) -> bool:
    """Return whether a GET of ``url`` succeeds now. No proxy is asked."""
    try:
        return httpx.get(url, timeout=_TIMEOUT_SECONDS, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def listens(host: str, port: int) -> bool:
    """Return whether somebody accepts connections there now."""
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True
