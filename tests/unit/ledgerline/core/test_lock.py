import threading
from pathlib import Path

import pytest

from ledgerline.core.lock import exclusive


@pytest.mark.parametrize("name", ["locks/one", "."])
def test_second_holder_of_a_file_or_folder_waits_until_the_first_lets_go(tmp_path: Path, name: str):
    order: list[str] = []
    waits, first_may_end = threading.Event(), threading.Event()

    def second() -> None:
        with exclusive(tmp_path / name, waiting=waits.set):
            order.append("second")

    with exclusive(tmp_path / name, waiting=lambda: order.append("never")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(timeout=30)
        order.append("first")
        first_may_end.set()
    thread.join(timeout=30)

    assert order == ["first", "second"]
