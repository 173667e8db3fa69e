"""An exchange that is killed goes on where it was: no order is lost, none is filled twice."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

from ledgerline.sandbox.exchange.engine import Exchange, NewOrder
from ledgerline.sandbox.exchange.journal import Side, TimeInForce
from ledgerline.sandbox.exchange.messages import account_message, order_message, position_message
from ledgerline.sandbox.exchange.tape import Tape
from ledgerline.sandbox.sessions import PRESENT

Start = Callable[[Path, Path], Any]
ORDER = {"symbol": "ALAR", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}


def client(exchange: Any, exchanges: ModuleType) -> httpx.Client:
    headers = {"APCA-API-KEY-ID": exchanges.KEY_ID, "APCA-API-SECRET-KEY": exchanges.SECRET_KEY}
    return httpx.Client(base_url=exchange.url, headers=headers, trust_env=False, timeout=10)


def orders(asked: httpx.Client) -> dict[str, dict[str, Any]]:
    listed = asked.get("/v2/orders", params={"status": "all", "limit": 500, "direction": "asc"}).json()
    return {order["client_order_id"]: order for order in listed}


def test_killed_while_orders_come_in_keeps_every_order_that_it_has_answered(
    start: Start, exchanges: ModuleType, world: Path, tmp_path: Path
) -> None:
    exchange = start(world, tmp_path / "exchange.db")
    answered: list[str] = []

    def send() -> None:
        with client(exchange, exchanges) as sending:
            for number in range(10_000):
                try:
                    response = sending.post("/v2/orders", json=ORDER | {"client_order_id": f"order-{number:05d}"})
                except httpx.TransportError:
                    return
                assert response.status_code == 200
                answered.append(f"order-{number:05d}")

    sender = threading.Thread(target=send)
    sender.start()
    deadline = time.monotonic() + 20
    while len(answered) < 60 and time.monotonic() < deadline:
        time.sleep(0.005)
    exchange.kill()
    sender.join()
    assert len(answered) >= 60

    again = start(world, tmp_path / "exchange.db")
    with client(again, exchanges) as asked:
        kept = orders(asked)
        assert len(kept) - len(answered) in (0, 1)  # one may have been kept and not been answered
        assert set(answered) <= set(kept)
        again.sandbox("POST", "clock", {"steps": 1})
        assert {order["status"] for order in orders(asked).values()} == {"filled"}
        (position,) = asked.get("/v2/positions").json()
        assert int(position["qty"]) == len(kept)


def test_killed_while_the_market_moves_ends_with_the_books_of_one_that_was_not(
    start: Start, exchanges: ModuleType, world: Path, tmp_path: Path
) -> None:
    exchange = start(world, tmp_path / "killed.db")
    with client(exchange, exchanges) as asked:
        for number in range(20):
            order = {"client_order_id": f"order-{number}", "time_in_force": "gtc", "qty": str(number + 1)}
            assert asked.post("/v2/orders", json=ORDER | order).status_code == 200
    exchange.sandbox("POST", "clock", {"run": True, "seconds_per_session": 0.04})
    for kill in range(2):
        wait_for(exchange, lambda clock, kill=kill: clock["sessions_passed"] > 6 * kill)
        exchange.kill()
        exchange = start(world, tmp_path / "killed.db")
        assert exchange.sandbox("GET", "clock")["running"]  # it goes on by itself
    wait_for(exchange, lambda clock: clock["ended"])

    whole = Exchange(Tape.of(world), tmp_path / "whole.db")
    for number in range(20):
        whole.submit(NewOrder(f"order-{number}", "ALAR", Side.BUY, number + 1, TimeInForce.UNTIL_CANCELED))
    while whole.step():
        pass
    with client(exchange, exchanges) as asked:
        assert orders(asked) == {order.client_order_id: order_message(order) for order in whole.orders()}
        assert asked.get("/v2/positions").json() == [position_message(each) for each in whole.standing().holdings]
        account = account_message(whole.standing(), account_id=whole.account_id, created_at=PRESENT)
        assert asked.get("/v2/account").json() == account
    whole.close()


def wait_for(exchange: Any, reached: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + 20
    while not reached(exchange.sandbox("GET", "clock")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
