"""Run the trading job: `python -m ledgerline.services.trading --host 127.0.0.1 --port 8001`."""

import argparse
import ipaddress
import logging
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta

import uvicorn

from ledgerline.audit import Ledger
from ledgerline.core.settings import Profile, Settings
from ledgerline.services.trading.app import LOCAL_NAMES, create_app
from ledgerline.services.trading.connection import VenueForbidden, connect

_GRACE_SECONDS = 10
_KEPT_OUT = ("sklearn", "joblib", "cloudpickle", "mlflow")  # they unpickle models

_log = logging.getLogger("ledgerline.trading")


def main(arguments: Sequence[str] | None = None) -> int:
    """Trade until told to stop (SIGTERM or SIGINT); the turn under way is finished first.

    Returns:
        The exit status: 2 when it refuses to listen where it was told to, or to trade at the venue it was given.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # the server takes over while it runs, then gives the signal back
    settings = Settings()
    options = _parser(settings).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if not _is_loopback(options.host):
        _log.error(
            "%s is no loopback address, and whoever asks is not authenticated; listen on 127.0.0.1", options.host
        )
        return 2
    stopping = threading.Event()
    try:
        venue = connect(settings, stopping.wait)
    except VenueForbidden as forbidden:
        _log.error("%s", forbidden)
        return 2
    every = timedelta(seconds=options.every)
    app = create_app(Ledger.open(settings), venue, every=every, stopping=stopping, names=(*LOCAL_NAMES, options.host))
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.create_server((options.host, options.port), family=family) as listener:
        host, port = listener.getsockname()[:2]
        _log.info("trading listens on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_GRACE_SECONDS
        )
        uvicorn.Server(config).run(sockets=[listener])
    venue.close()
    return 0


def _parser(settings: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ledgerline.services.trading", description=__doc__)
    parser.add_argument("--host", default=settings.host, help="loopback address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=settings.trading_port, help="port; 0 takes a free one, logged")
    # A simulated day may pass in a second; at a real venue a turn's questions must stay far below its rate limit.
    pause = 0.3 if settings.profile is Profile.SANDBOX else 60.0
    parser.add_argument("--every", type=float, default=pause, help="seconds between two turns (%(default)s)")
    return parser


def _keep_out(packages: Sequence[str]) -> None:
    """Let importing these fail in this process: the boosters take up scikit-learn wherever it is installed."""
    for package in packages:
        sys.modules[package] = None  # type: ignore[assignment]  # how Python marks what is not to be imported


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    _keep_out(_KEPT_OUT)
    sys.exit(main())
