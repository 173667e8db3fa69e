"""Which venue the job may talk to, and with what: paper unless two settings both say otherwise."""

import ipaddress
from urllib.parse import urlsplit

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Profile, Settings
from ledgerline.services.trading.alpaca import AlpacaVenue
from ledgerline.services.trading.wire import Pause, Wire

_PAPER_HOSTS = frozenset({"paper-api.alpaca.markets"})


class VenueForbidden(LedgerlineError):
    """The settings name a venue that this installation may not trade at."""


def connect(settings: Settings, pause: Pause) -> AlpacaVenue:
    """Open the venue that the settings name; unset, the sandbox's exchange on this machine.

    Raises:
        VenueForbidden: Real money without both ``LEDGERLINE_PROFILE=live`` and ``LEDGERLINE_VENUE_LIVE=1``, credentials
            over an unencrypted connection, or credentials that are missing.
    """
    trading = settings.venue_url or f"http://{settings.host}:{settings.exchange_port}"
    data = settings.venue_data_url or trading
    check_allowed(settings, trading)
    _check_encrypted(trading)
    _check_encrypted(data)
    headers = _credentials(settings)
    return AlpacaVenue(Wire(trading, headers, pause=pause), Wire(data, headers, pause=pause))


def check_allowed(settings: Settings, url: str) -> None:
    """Refuse a venue where orders are real, unless profile and venue setting both say live.

    Anything that is neither on this machine nor known to be a paper venue counts as real.
    """
    host = urlsplit(url).hostname or ""
    wants_live = settings.profile is Profile.LIVE and settings.venue_live
    if _is_loopback(host) or host in _PAPER_HOSTS or wants_live:
        return
    raise VenueForbidden(
        f"{host or url} is no paper venue; real orders need both LEDGERLINE_PROFILE=live and LEDGERLINE_VENUE_LIVE=1"
    )


def _check_encrypted(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        raise VenueForbidden(f"credentials never leave this machine unencrypted; {parts.hostname} needs https")


def _credentials(settings: Settings) -> dict[str, str]:
    if settings.venue_key_id is None or settings.venue_secret_key is None:
        raise VenueForbidden(
            "the venue's credentials are missing; set LEDGERLINE_VENUE_KEY_ID and LEDGERLINE_VENUE_SECRET_KEY"
        )
    return {
        "APCA-API-KEY-ID": settings.venue_key_id.get_secret_value(),
        "APCA-API-SECRET-KEY": settings.venue_secret_key.get_secret_value(),
    }


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
