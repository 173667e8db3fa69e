"""Run the scoring job: `python -m ledgerline.services.scoring --host 127.0.0.1 --port 8000`."""

import argparse
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Sequence

import uvicorn

from ledgerline.audit import Ledger
from ledgerline.core.settings import Settings
from ledgerline.services.scoring.app import LOCAL_NAMES, create_app

_GRACE_SECONDS = 10
_KEPT_OUT = ("sklearn", "joblib", "cloudpickle", "mlflow")  # they unpickle models
_THREAD_SWITCH_SECONDS = 0.0005  # a tenth of the default: answers wait less for the thread that loads a model

_log = logging.getLogger("ledgerline.scoring")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop (SIGTERM or SIGINT); requests under way are answered first.

    Returns:
        The exit status: 2 when it refuses to listen where it was told to.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # the server takes over while it runs, then gives the signal back
    sys.setswitchinterval(_THREAD_SWITCH_SECONDS)
    settings = Settings()
    options = _parser(settings).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    if not options.allow_remote and not _is_loopback(options.host):
        _log.error(
            "%s is no loopback address, and requests are not authenticated; put a gateway in front and say "
            "--allow-remote, or listen on 127.0.0.1",
            options.host,
        )
        return 2
    names = ("*",) if options.allow_remote else (*LOCAL_NAMES, options.host)
    app = create_app(Ledger.open(settings), waiting=options.waiting, names=names)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.create_server((options.host, options.port), family=family, backlog=2048) as listener:
        host, port = listener.getsockname()[:2]
        _log.info("scoring listens on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_GRACE_SECONDS
        )
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _parser(settings: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ledgerline.services.scoring", description=__doc__)
    parser.add_argument("--host", default=settings.host, help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=settings.scoring_port, help="port; 0 takes a free one, logged")
    parser.add_argument("--waiting", type=int, default=64, help="requests that may wait before more are turned away")
    parser.add_argument("--allow-remote", action="store_true", help="listen beyond this machine, unauthenticated")
    return parser


def _keep_out(packages: Sequence[str]) -> None:
    """Let importing these fail in this process: XGBoost takes up scikit-learn wherever it is installed."""
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
