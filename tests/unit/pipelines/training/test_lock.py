import threading
from pathlib import Path

from pipelines.training.lock import exclusive


def test_second_holder_waits_until_the_first_lets_go(tmp_path: Path):
    order: list[str] = []
    waits, first_may_end = threading.Event(), threading.Event()

    def second() -> None:
        with exclusive(tmp_path / "locks" / "one", waiting=waits.set):
            order.append("second")

    with exclusive(tmp_path / "locks" / "one", waiting=lambda: order.append("never")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(timeout=30)
        order.append("first")
        first_may_end.set()
    thread.join(timeout=30)

    assert order == ["first", "second"]
