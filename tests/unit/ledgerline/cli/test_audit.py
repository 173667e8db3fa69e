"""What an auditor asks on the command line, as a person reads it and as a program does."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.tree import sign_checkpoint
from ledgerline.audit.witness import Witness, observe
from ledgerline.cli.main import app, main
from ledgerline.core.settings import Settings

_PATH = Path(__file__).parents[1] / "audit" / "whole_line.py"
VERBS = ["trace", "impact", "live-at", "history", "replay", "verify"]


@pytest.fixture(scope="session")
def lines() -> ModuleType:
    if "evidence_lines" not in sys.modules:
        spec = importlib.util.spec_from_file_location("evidence_lines", _PATH)
        assert spec is not None
        assert spec.loader is not None
        sys.modules["evidence_lines"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["evidence_lines"]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("LEDGERLINE_HOME", str(tmp_path / "home"))
    return Ledger.open(Settings())


@pytest.fixture
def line(ledger: Ledger, lines: ModuleType) -> Any:
    return lines.whole_line(ledger.log, 1)


def said(*words: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["audit", *words])
    assert result.exit_code == status, result.output
    return result.output


def refused(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr("sys.argv", ["ledgerline", "audit", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_by_an_example(verb: str):
    assert f"Example: ledgerline audit {verb}" in " ".join(said(verb, "--help").split())


def test_impact_names_the_models_and_counts_the_rest(line: Any):
    found = json.loads(said("impact", "payments/1-0.csv", "--json"))
    assert (found["counts"]["decision"], found["counts"]["venue_event"]) == (1, 1)
    assert [model["id"] for model in found["models"]] == [line.ids["bundle"]]
    assert found["many"]["decision"]["first"]["id"] == line.ids["decision"]
    read = said("impact", "payments/1-0.csv")
    assert "price@1" in read
    assert "order_intent" in read


@pytest.mark.parametrize("at", ["2999-01-01", "2999-01-01T09:30", "2999-01-01T09:30:00+02:00"])
def test_live_at_shows_what_was_in_force(line: Any, at: str):
    (live,) = json.loads(said("live-at", at, "--json"))["in_force"]
    assert (live["model"]["name"], live["job"], live["until"]) == ("price@1", "trading", None)
    read = said("live-at", at)
    assert "price@1" in read
    assert "maria (validator)" in read


def test_impact_of_a_column_names_who_reads_it_and_counts_what_was_made_from_that(line: Any):
    found = json.loads(said("impact", "transactions.amount_minor", "--json"))
    assert found["features"] == {"payments": ["amount"]}
    assert [version["id"] for version in found["versions"]] == [line.ids["features"]]
    assert [model["id"] for model in found["models"]] == [line.ids["bundle"]]
    assert (found["counts"]["decision"], found["counts"]["order_intent"], found["counts"]["outcome"]) == (1, 1, 2)
    read = " ".join(said("impact", "transactions.amount_minor").split())
    for part in ("transactions.amount_minor is read by payments: amount", "payments-v1", "price@1", "order_intent │ 1"):
        assert part in read


def test_impact_of_a_column_that_nothing_reads_says_so(
    line: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert "says that it reads 'posts.text'" in refused(["impact", "posts.text"], monkeypatch, capsys)


def test_a_trace_of_a_feature_version_prints_what_its_features_read(line: Any):
    read = " ".join(said("trace", "payments-v1", status=1).split())  # the line's files are not kept here
    assert "amount" in read
    assert "transactions.amount_minor" in read
    (start, *_) = json.loads(said("trace", "payments-v1", "--json", status=1))["steps"]
    assert start["detail"]["columns"]["night"] == ["transactions.event_time"]


def test_history_of_a_decision_goes_on_to_its_order_and_what_came_of_it(line: Any):
    followed = json.loads(said("history", line.ids["decision"], "--json"))
    assert [each["kind"] for each in followed] == ["decision", "order_intent", "venue_event", "outcome", "outcome"]
    assert followed[3]["outcome"]["came"] == {"is_fraud": True}
    read = " ".join(said("history", "order-1").split())
    assert "average_price 200.5, filled 3, quantity 3" in read


def test_history_of_what_is_neither_a_family_nor_live_is_refused(
    line: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert "a history is of a family" in refused(["history", "payments/1-0.csv"], monkeypatch, capsys)


def test_live_at_says_when_nothing_was_in_force(line: Any):
    assert "Nothing was in force at 2001-01-01 00:00:00 UTC" in said("live-at", "2001-01-01")


def test_history_tells_what_became_of_every_version(line: Any):
    (version,) = json.loads(said("history", "price", "--json"))
    assert [verdict["passed"] for verdict in version["verdicts"]] == [True]
    read = said("history", "price")
    for part in ("price@1", "all 1 gates passed", "signed by maria as validator", "deployed by airflow", "in force"):
        assert part in read


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["live-at", "yesterday"], "is no instant"),
        (["history", "credit"], "`ledgerline train credit`"),
        (["verify", "--range", "9:1"], "is no range of entries"),
        (["verify", "--range", "nine"], "is no range of entries"),
        (["impact", "nowhere.csv"], "nothing recorded is called"),
        (["replay", "c0ffee"], "no decision's id starts"),
        (["trace", "price@1", "--picture", "chain.png"], ".svg, .html, .mmd"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_way_out(
    line: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
):
    assert message in refused(words, monkeypatch, capsys)


def vouched(ledger: Ledger) -> None:
    """Sign the log and let a witness vouch for it, as the keeper and the witness do."""
    log_signer = NoteSigner.of("ledgerline.log/test", Ed25519PrivateKey.generate())
    witness_signer = NoteSigner.of("witness.example/1", Ed25519PrivateKey.generate(), cosigns=True)
    sign_checkpoint(ledger.log, log_signer, ledger.clock.now())
    observe(Witness(ledger.settings.witness_path, witness_signer, log_signer.key), ledger.log, ledger.clock.now())


def test_verify_holds_for_an_honest_log_and_says_who_vouches(ledger: Ledger, line: Any):
    assert "No witness vouches" in said("verify", "--log-only")
    vouched(ledger)
    found = json.loads(said("verify", "--log-only", "--json"))
    assert (found["holds"], found["findings"]) == (True, [])
    assert found["witnessed"] == found["entries"] > 20
    assert "Everything holds." in said("verify", "--log-only")


def test_verify_names_every_finding_and_fails(ledger: Ledger, line: Any, rewrite: Any):
    vouched(ledger)
    rewrite(ledger.log, line.ids["decision"], "detail", hashed=True, subject="another")
    sequence = ledger.log.get(line.ids["decision"]).sequence
    assert f"entry {sequence}: rewritten" in said("verify", "--log-only", status=1)
    (finding,) = json.loads(said("verify", "--log-only", "--json", status=1))["findings"]
    assert (finding["sequence"], finding["problem"]) == (sequence, "rewritten")
    assert json.loads(said("verify", "--log-only", "--json", "--range", f":{sequence - 1}"))["entries"] == sequence - 1


def test_verify_holds_edges_to_the_grammar_unless_only_hashes_are_asked_for(ledger: Ledger, line: Any):
    ledger.log.append(Leaf(Kind.DECISION, {"decision_id": "c0ffee42"}), [Parent(line.ids["raw 0"], "raw")])
    assert "decision has no parent as its raw" in said("verify", "--log-only", status=1)
    assert "Everything holds." in said("verify", "--log-only", "--hashes-only")


def held(ledger: Ledger) -> None:
    """Keep bytes for a line's raw file, so that a trace of it can read them again."""
    sha256 = ledger.objects.put(b"raw")
    raw = ledger.log.append(Leaf(Kind.RAW_FILE, {"sha256": sha256}, {"path": "a.csv"}))
    for number in range(4):
        landed = {"raw": sha256, "dataset": "payments", "number": number, "rows": 1, "unreadable": 0}
        ledger.log.append(Leaf(Kind.LANDED_BATCH, landed, {"path": "<a>.csv"}), [Parent(raw, "raw")])
    batches = [Parent(leaf.id, "batch") for leaf in ledger.log.leaves(Kind.LANDED_BATCH)]
    ledger.log.append(Leaf(Kind.DECISION, {"decision_id": "c0ffee42"}), batches)


def test_trace_is_the_same_as_without_the_word_audit(ledger: Ledger):
    held(ledger)
    assert said("trace", "c0ffee42", "--json") == CliRunner().invoke(app, ["trace", "c0ffee42", "--json"]).output


@pytest.mark.parametrize("ending", [".svg", ".html", ".mmd"])
def test_a_trace_is_drawn_with_alike_entries_as_one(ledger: Ledger, tmp_path: Path, ending: str):
    held(ledger)
    path = tmp_path / "drawn" / f"chain{ending}"
    said("trace", "c0ffee42", "--picture", str(path))
    drawn = path.read_text(encoding="utf-8")
    for part in ("decision", "4 x landed batch", "raw file"):
        assert part in drawn
    if ending == ".svg":
        ElementTree.fromstring(drawn)  # noqa: S314 (our own drawing)
    if ending == ".mmd":
        assert drawn.startswith("flowchart LR\n")
        assert "b1 -->|batch| b0" in drawn
        assert "b2 -->|raw| b1" in drawn
