"""Find a port to listen on: the wished one, or another that is free."""

import ipaddress
import socket
from collections.abc import Container

from ledgerline.launch.errors import NotLoopback

_CONNECT_SECONDS = 0.5


def require_loopback(host: str) -> None:
    """Refuse any interface but the machine's own: the local stack has no login.

    Raises:
        NotLoopback: ``host`` can be reached from elsewhere, or is no address.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise NotLoopback(
            f"LEDGERLINE_HOST is {host!r}: the local stack asks for no login, so it listens on 127.0.0.1 only; "
            "for other machines use docker-compose.yml"
        )


def free_port(host: str, wished: int, *, taken: Container[int] = ()) -> int:
    """Return ``wished`` if nobody listens there, otherwise a free port that the system picks.

    Args:
        host: A loopback address.
        wished: The port to prefer; 0 for any.
        taken: Ports already promised to another program of the stack.
    """
    if wished and wished not in taken and not _is_listening(host, wished) and _can_bind(host, wished):
        return wished
    while True:
        with _bound(host, 0) as listener:
            port = int(listener.getsockname()[1])
        if port not in taken:
            return port


def _is_listening(host: str, port: int) -> bool:
    with socket.socket(_family(host)) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        return probe.connect_ex((host, port)) == 0


def _can_bind(host: str, port: int) -> bool:
    try:
        _bound(host, port).close()
    except OSError:
        return False
    return True


def _bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(_family(host))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
