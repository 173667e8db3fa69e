"""The scoring job as a real process on a loopback port. Loaded by path from the conftest files beside the tests."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
import sqlalchemy as sa

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import instant_text
from ledgerline.decisions.deployment import current
from ledgerline.decisions.schema import DEPLOYMENT, ensure_tables

_DEADLINE_SECONDS = 90
_WATCHED_SERVICE = Path(__file__).with_name("watched_service.py")


class ScoringProcess:
    """`python -m ledgerline.services.scoring` over an installation, for as long as the context lasts.

    With ``events``, under `watched_service.py`, which writes there what unpickles, compiles, executes or imports.
    """

    def __init__(self, home: Path, *options: str, events: Path | None = None, **environment: str) -> None:
        started = [str(_WATCHED_SERVICE), str(events)] if events else ["-m", "ledgerline.services.scoring"]
        self._command = [sys.executable, *started, "--port", "0", *options]
        self._environment = {**os.environ, "LEDGERLINE_HOME": str(home), **environment}
        self.said: list[str] = []

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(self._command, env=self._environment, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = until(self._listening)
        self.client = httpx.Client(base_url=self.url, timeout=60)
        until(self._alive)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.kill()

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=_DEADLINE_SECONDS)

    def score(self, payment: Any) -> httpx.Response:
        return self.client.post("/v1/fraud/score", json=payment)

    def decide(self, application: Any) -> httpx.Response:
        return self.client.post("/v1/credit/decide", json=application)

    def ready(self, family: str = "fraud") -> dict[str, Any]:
        """Return what ``/readyz`` says of a family."""
        body: dict[str, Any] = self.client.get("/readyz").json()["families"][family]
        return body

    def wait_until_ready(self, digest: str, family: str = "fraud") -> None:
        until(lambda: self.ready(family)["digest"] == digest)

    def wait_until_refused(self, deployment: str, family: str = "fraud") -> str:
        until(lambda: self.ready(family)["refused_deployment"] == deployment)
        return str(self.ready(family)["refused_because"])

    def metric(self, sample: str) -> float:
        """Return one sample of ``/metrics``, 0 where it is absent."""
        text = self.client.get("/metrics").text
        found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(line for line in self.process.stderr)

    def _listening(self) -> str | None:
        assert self.process.poll() is None, "".join(self.said)
        return next((found[1] for line in list(self.said) if (found := re.search(r"listens on (http\S+)", line))), None)

    def _alive(self) -> bool:
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


def until(look: Callable[[], Any]) -> Any:
    """Look until something is found, and return it."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
    return found


def forge_deployment(ledger: Ledger, digest: str) -> str:
    """Put a bundle in force as somebody would who can write to the database, past every check; return the leaf id."""
    ensure_tables(ledger)
    bundle = ledger.log.latest(Kind.MODEL_BUNDLE, digest=digest)
    assert bundle is not None
    present = current(ledger, "fraud")
    supersedes = present.id if present else None
    place = {"family": "fraud", "job": "scoring", "environment": ledger.settings.profile.value, "bundle": digest}
    leaf = Leaf(
        Kind.DEPLOYMENT,
        {**place, "approvals": [], "supersedes": supersedes},
        {"deployed_by": "mallory", "deployed_at": instant_text(ledger.clock.now())},
    )
    with ledger.log.transaction() as transaction:
        ledger.log.record(transaction, leaf, [Parent(bundle.id, "bundle")])
        transaction.execute(sa.insert(DEPLOYMENT), {**place, "leaf": leaf.id, "supersedes": supersedes or ""})
    return leaf.id
