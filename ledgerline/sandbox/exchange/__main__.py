"""Run the sandbox's exchange: `python -m ledgerline.sandbox.exchange --port 8002 --world FOLDER --state FILE`."""

import argparse
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.types import Scope

from ledgerline.core.settings import Settings
from ledgerline.sandbox.exchange.app import LOCAL_NAMES, Credentials, create_app
from ledgerline.sandbox.exchange.engine import Exchange
from ledgerline.sandbox.exchange.journal import OtherWorld
from ledgerline.sandbox.exchange.tape import Tape

_GRACE_SECONDS = 2

_log = logging.getLogger("ledgerline.exchange")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop (SIGTERM or SIGINT).

    Returns:
        The exit status: 2 when it refuses to listen where it was told to, lacks credentials or a world, or was given
        another world's books.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # the server takes over while it runs, then gives the signal back
    settings = Settings()
    options = _parser(settings).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    if not _is_loopback(options.host):
        _log.error("%s is no loopback address; the sandbox's exchange is for this machine alone", options.host)
        return 2
    if settings.venue_key_id is None or settings.venue_secret_key is None:
        _log.error("set LEDGERLINE_VENUE_KEY_ID and LEDGERLINE_VENUE_SECRET_KEY to what clients must show")
        return 2
    if not options.world.is_dir():
        _log.error("%s is no folder; name the folder of a world", options.world)
        return 2
    try:
        exchange = Exchange(Tape.of(options.world), options.state)
    except OtherWorld as other:
        _log.error("%s", other)
        return 2
    credentials = Credentials(settings.venue_key_id.get_secret_value(), settings.venue_secret_key.get_secret_value())
    _serve(exchange, credentials, host=options.host, port=options.port)
    exchange.close()
    return 0


def _serve(exchange: Exchange, credentials: Credentials, *, host: str, port: int) -> None:
    app = create_app(exchange, credentials, hang_up=lambda scope: _hang_up(server, scope), names=(*LOCAL_NAMES, host))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_GRACE_SECONDS
    )
    server = uvicorn.Server(config)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=128) as listener:
        address, number = listener.getsockname()[:2]
        moment = exchange.moment()
        closed = "; the market is closed for good" if moment.ended else f", {moment.left} sessions to come"
        shown = f"[{address}]" if ":" in address else address
        _log.info("exchange listens on http://%s:%d at %s%s", shown, number, moment.now.isoformat(), closed)
        server.run(sockets=[listener])


def _hang_up(server: uvicorn.Server, scope: Scope) -> None:
    """End the connection of a request: its client hears nothing more."""
    for connection in list(server.server_state.connections):
        transport = getattr(connection, "transport", None)
        if transport is not None and getattr(connection, "client", None) == tuple(scope["client"]):
            transport.abort()


def _parser(settings: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ledgerline.sandbox.exchange", description=__doc__)
    parser.add_argument("--host", default=settings.host, help="loopback address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=settings.exchange_port, help="port; 0 takes a free one, logged")
    parser.add_argument("--world", type=Path, default=settings.data_path, help="folder of the world (%(default)s)")
    parser.add_argument(
        "--state", type=Path, default=settings.home / "sandbox" / "exchange.db", help="file of its books (%(default)s)"
    )
    return parser


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
