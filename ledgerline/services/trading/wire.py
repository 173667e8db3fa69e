"""HTTP as a venue's money path needs it: every wait bounded, reads repeated with patience, orders never repeated."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from ledgerline.decisions.trading.venue import VenueRefused, VenueUnavailable

_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_TRIES = 4
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_LARGEST_ANSWER = 32 * 1024 * 1024
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})

Pause = Callable[[float], object]

_log = logging.getLogger(__name__)


class Wire:
    """One connection pool to one base URL.

    Args:
        base_url: Where the API is.
        headers: Sent with every request; they may hold secrets, and are never logged.
        pause: Waits between two tries; a stopping job cuts it short.
        timeout: Of one request.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        pause: Pause = time.sleep,
        timeout: httpx.Timeout = _TIMEOUT,
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url, headers=dict(headers), timeout=timeout, follow_redirects=False, trust_env=False
        )
        self._pause = pause

    def close(self) -> None:
        """End every connection."""
        self._client.close()

    def read(self, path: str, query: Mapping[str, str] | None = None, *, absent: bool = False) -> bytes | None:
        """Ask a question, and ask again where the answer may come later.

        Args:
            path: Below the base URL.
            query: Its parameters.
            absent: Whether 404 is an answer: None.

        Raises:
            VenueUnavailable: No usable answer after several tries.
            VenueRefused: The venue says no.
        """
        for attempt in range(1, _TRIES + 1):
            problem, wait = "", _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
            try:
                response = self._client.get(path, params=query)
            except httpx.TransportError as error:
                problem = type(error).__name__
            else:
                if response.status_code == 200:
                    return _bounded(response, path)
                if response.status_code == 404 and absent:
                    return None
                if response.status_code not in _RETRIED:
                    raise VenueRefused(f"GET {path}: {described(response)}")
                problem, wait = f"HTTP {response.status_code}", asked_wait(response, datetime.now(UTC)) or wait
            if wait > _LONGEST_PAUSE_SECONDS or attempt == _TRIES:
                break
            _log.info("GET %s: %s; asking again in %.1f s", path, problem, wait)
            self._pause(wait)
        raise VenueUnavailable(f"GET {path} was not answered ({problem}, {attempt} tries); it is asked again later")

    def send(self, path: str, content: bytes) -> httpx.Response:
        """Send something that has an effect, exactly once.

        Raises:
            httpx.TransportError: Whether it arrived is not known, unless no connection was made.
        """
        headers = {"content-type": "application/json"}
        response = self._client.post(path, content=content, headers=headers)
        response.read()
        return response


def asked_wait(response: httpx.Response, now: datetime) -> float | None:
    """Return for how many seconds a response asks to be left alone, or None.

    ``Retry-After`` gives seconds or an HTTP date (RFC 9110, section 10.2.3), Alpaca's ``X-RateLimit-Reset`` Unix time.
    """
    after, reset = response.headers.get("retry-after"), response.headers.get("x-ratelimit-reset")
    try:
        if after is not None:
            return max(0.0, float(after) if after.strip().isdecimal() else _until(after, now))
        if reset is not None and response.status_code == 429:
            return max(0.0, float(reset) - now.timestamp())
    except (ValueError, TypeError):
        return None
    return None


def described(response: httpx.Response) -> str:
    """Return status and the start of what a response says, for people; requests are never quoted."""
    said = response.text[:200].replace("\n", " ")
    return f"HTTP {response.status_code} {said}"


def _until(http_date: str, now: datetime) -> float:
    return (parsedate_to_datetime(http_date) - now).total_seconds()


def _bounded(response: httpx.Response, path: str) -> bytes:
    if len(response.content) > _LARGEST_ANSWER:
        raise VenueRefused(f"GET {path}: {len(response.content):,} bytes are more than any answer has")
    return response.content
