"""How the launcher speaks to Airflow when Airflow has no time."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ledgerline.launch import airflow_api
from ledgerline.launch.airflow_api import AirflowApi
from ledgerline.launch.errors import AirflowBusy, AirflowRefused

FIRST, LAST = datetime(2018, 8, 28, tzinfo=UTC), datetime(2018, 9, 26, tzinfo=UTC)


class Answers(BaseHTTPRequestHandler):
    statuses: list[int]
    reason = "Database error"  # what Airflow says of a locked SQLite, beside the 503 of some of its routes
    asked: int

    def do_GET(self) -> None:
        self.answer(200, {"access_token": "any"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.answer(status, {"id": 7} if status == 200 else {"detail": {"reason": self.reason}})

    def answer(self, status: int, body: dict[str, object]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowApi]:
    monkeypatch.setattr(airflow_api, "_BUSY_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(airflow_api, "_BUSY_SECONDS", 0.5)
    Answers.asked = 0
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield AirflowApi(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_backfill_is_asked_for_again_while_airflows_database_is_locked(airflow):
    Answers.statuses = [503, 500, 200]
    assert airflow.start_backfill("ingest_market", FIRST, LAST, again=False) == 7
    assert Answers.asked == 3


def test_a_database_that_stays_locked_is_said_to_be_busy(airflow):
    Answers.statuses = [503]
    with pytest.raises(AirflowBusy, match="503"):
        airflow.start_backfill("ingest_market", FIRST, LAST, again=False)


def test_another_backfill_at_work_is_no_error(airflow):
    Answers.statuses = [409]
    assert airflow.start_backfill("ingest_market", FIRST, LAST, again=False) is None


@pytest.mark.parametrize("status", [422, 500])
def test_what_airflow_refuses_for_another_reason_is_asked_for_once(airflow, monkeypatch, status):
    monkeypatch.setattr(Answers, "reason", "no such DAG")
    Answers.statuses = [status]
    with pytest.raises(AirflowRefused, match=str(status)):
        airflow.start_backfill("ingest_market", FIRST, LAST, again=False)
    assert Answers.asked == 1
