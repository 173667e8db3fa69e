import socket

import pytest

from ledgerline.launch.errors import NotLoopback
from ledgerline.launch.ports import free_port, require_loopback


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_free_wished_port_is_given(taken):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wished = listener.getsockname()[1]
    assert free_port("127.0.0.1", wished) == wished


def test_another_port_is_found_when_somebody_listens_on_the_wished_one(taken):
    found = free_port("127.0.0.1", taken)
    assert found != taken
    with socket.create_server(("127.0.0.1", found)):
        pass


def test_a_port_taken_on_every_interface_is_taken_on_loopback_too():
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104
        wished = listener.getsockname()[1]
        assert free_port("127.0.0.1", wished) != wished


def test_a_port_promised_to_another_program_is_not_given_twice():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wished = listener.getsockname()[1]
    assert free_port("127.0.0.1", wished, taken={wished}) != wished


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7", "localhost", "::1"])
def test_loopback_is_allowed(host):
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])  # noqa: S104
def test_anything_that_others_can_reach_is_refused(host):
    with pytest.raises(NotLoopback, match="no login"):
        require_loopback(host)
