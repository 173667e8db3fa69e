"""The exchange as a process of its own, over a small world."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

import httpx

KEY_ID, SECRET_KEY = "key of the tests", "secret of the tests"
_STARTED = re.compile(r"listens on (http://\S+) at")
_PATIENCE_SECONDS = 30


class ExchangeProcess:
    """Starts when it is entered; what it says is kept.

    Args:
        world: The world's folder.
        state: The file of its books.
    """

    def __init__(self, world: Path, state: Path) -> None:
        self._argv = [sys.executable, "-m", "ledgerline.sandbox.exchange", "--host", "127.0.0.1", "--port", "0"]
        self._argv += ["--world", str(world), "--state", str(state)]
        self.said: list[str] = []
        self.url = ""

    def __enter__(self) -> Self:
        credentials = {"LEDGERLINE_VENUE_KEY_ID": KEY_ID, "LEDGERLINE_VENUE_SECRET_KEY": SECRET_KEY}
        self.process = subprocess.Popen(
            self._argv, env={**os.environ, **credentials}, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        listening = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(listening,), daemon=True)
        self._reader.start()
        assert listening.wait(_PATIENCE_SECONDS), self.said
        assert self.url, self.said
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(_PATIENCE_SECONDS)
        self._reader.join()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(_PATIENCE_SECONDS)

    def sandbox(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask what only a sandbox has."""
        response = httpx.request(method, f"{self.url}/sandbox/{path}", json=body, trust_env=False, timeout=20)
        assert response.status_code == 200, response.text
        return response.json()

    def _read(self, listening: threading.Event) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip())
            if found := _STARTED.search(line):
                self.url = found[1]
                listening.set()
        listening.set()
