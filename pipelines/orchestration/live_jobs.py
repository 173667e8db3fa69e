"""What the live jobs say of themselves, asked over HTTP from a task."""

import logging
import os
from collections.abc import Mapping
from typing import Any

from ledgerline.core.settings import Settings

log = logging.getLogger(__name__)

_SECONDS = 5.0


def readiness(family: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return what the live job of a family says it serves; empty while it does not answer.

    Where the jobs are comes from ``LEDGERLINE_SCORING_URL`` and ``LEDGERLINE_TRADING_URL``, or else from the settings.
    A trading job that listens on another machine's loopback is ``none``: its last word is read from the evidence.
    """
    import httpx

    settings = Settings()
    if family == "price" and environment.get("LEDGERLINE_TRADING_URL") == "none":
        return _last_word(settings)
    name, port = ("TRADING", settings.trading_port) if family == "price" else ("SCORING", settings.scoring_port)
    url = environment.get(f"LEDGERLINE_{name}_URL") or f"http://{settings.host}:{port}"
    try:
        # Not ready is an answer too, with the same body.
        answer: dict[str, Any] = httpx.get(f"{url}/readyz", timeout=_SECONDS, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:  # it may just be starting
        log.info("%s does not answer: %s", url, error)
        return {}
    if family == "price":
        return answer
    # A job that serves one family alone speaks of nothing else.
    return dict(answer["families"].get(family) or {}) if "families" in answer else answer


def _last_word(settings: Settings) -> dict[str, Any]:
    from ledgerline.audit import Ledger
    from ledgerline.decisions.trading.book import trading_status

    said = trading_status(Ledger.open(settings))["standing"]
    return {"digest": said["bundle"], "holding_because": said["message"]} if said else {}
