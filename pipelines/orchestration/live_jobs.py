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
    """
    import httpx

    settings = Settings()
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
