"""The command teaches, says what is wrong in one message, and finds its data again."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.cli.live import _assignment, _attributes, credit_request, scoring_request
from ledgerline.cli.main import app, main
from ledgerline.core.settings import Settings

VERBS = ["run", "status", "down", "backfill", "ingest", "validate", "train", "approve", "deploy", "rollback", "monitor"]
VERBS += ["score", "decide", "trace"]
GROUPS = {
    "quarantine": ["list", "show", "report", "release"],
    "features": ["build", "versions", "restore"],
    "keys": ["create", "revoke", "list"],
    "trade": ["status", "halt", "clear", "play"],
    "forecast": ["publish", "show"],
}
TAUGHT = [
    ["backfill"],
    ["rollback"],
    ["decide"],
    ["ingest"],
    ["quarantine", "release"],
    ["trade", "halt"],
    ["keys", "create"],
]
TAUGHT += [["keys", "revoke"]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEDGERLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("words", [[verb] for verb in VERBS] + [[g, v] for g, verbs in GROUPS.items() for v in verbs])
def test_every_verb_explains_itself(words: list[str]):
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert len(result.output.split("Options")[0]) > 120, "a verb's help says what it does, not only its name"


@pytest.mark.parametrize("words", TAUGHT)
def test_a_verb_that_is_not_obvious_shows_an_example_of_itself(words: list[str]):
    said = " ".join(CliRunner().invoke(app, [*words, "--help"]).output.split())
    assert f"Example: ledgerline {' '.join(words)}" in said


def test_every_verb_is_listed_under_what_it_is_about():
    said = CliRunner().invoke(app, ["--help"]).output
    for panel in ("The stack", "Data", "Models and the people who approve them", "Live decisions", "Evidence"):
        assert f" {panel} " in said
    assert " Commands " not in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["backfill", "train_fraud", "--from", "2018-09-01", "--to", "2018-09-02"], "only the ingest DAGs"),
        (["backfill", "ingest_market", "--from", "2018-09-02", "--to", "2018-09-01"], "lies after"),
        (["backfill", "ingest_market", "--from", "2018-09-01", "--to", "2018-09-02"], "`ledgerline run` starts one"),
        (["decide"], "which application?"),
        (["decide", "--set", "income"], "NAME=VALUE"),
        (["decide", "nowhere.json"], "cannot be read as JSON"),
        (["decide", "--set", "income=50000"], "no scoring job is running"),
        (["trade", "play"], "no sandbox exchange is running"),
        (["rollback", "fraud", "--reason", "too many alerts"], "no earlier deployment"),
        (["rollback", "fraud", "--reason", " "], "say why"),
        (["forecast", "show"], "no forecast has been published"),
        (["trade", "clear", "--as", "maria", "--reason", "fixed"], "not halted"),
        (["trade", "halt", "--as", " ", "--reason", "odd prices"], "say who"),
        (["keys", "revoke", "maria", "--as", "omar", "--reason", "left"], "no signing key"),
        (["keys", "revoke", "maria", "--as", " ", "--reason", "left"], "say who"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_way_out(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
):
    monkeypatch.setattr("sys.argv", ["ledgerline", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_the_list_of_keys_says_which_are_revoked_by_whom_and_why(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LEDGERLINE_KEY_PASSPHRASE", "open sesame")
    monkeypatch.setenv("COLUMNS", "220")
    for words in (
        ["keys", "create", "maria"],
        ["keys", "revoke", "maria", "--as", "omar", "--reason", "laptop [stolen]"],
        ["keys", "create", "maria"],
    ):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
    rows = [line for line in CliRunner().invoke(app, ["keys", "list"]).output.splitlines() if "maria" in line]
    assert ["by omar: laptop [stolen]" in row for row in rows] == [True, False]


def test_a_halt_holds_until_a_named_person_clears_it(home: Path):
    for words, halted in (
        (["trade", "halt", "--as", "maria", "--reason", "prices look wrong"], True),
        (["trade", "clear", "--as", "joe", "--reason", "the vendor has corrected them"], False),
    ):
        assert CliRunner().invoke(app, words).exit_code == 0
        found = json.loads(CliRunner().invoke(app, ["trade", "status", "--json"]).output)
        assert bool(found["halt"]) is halted
    assert [leaf.identity["person"] for leaf in Ledger.open(Settings()).log.leaves(Kind.HALT)] == ["maria", "joe"]


def test_an_applications_attributes_come_from_a_file_and_from_options(tmp_path: Path):
    file = tmp_path / "application.json"
    file.write_text(json.dumps({"application_id": "17", "income": 40_000, "purpose": "car", "housing": None}))
    attributes = _attributes(file) | dict(map(_assignment, ("income=52000", "purpose=boat")))
    assert attributes == {"application_id": "17", "income": 52_000.0, "purpose": "boat", "housing": None}
    assert credit_request("17", {"income": 1.0, "housing": None}) == {
        "application_id": "17",
        "attributes": {"income": 1.0},
    }


def test_the_quarantine_report_names_dirt_files_and_counts(home: Path):
    ledger = Ledger.open(Settings())
    refusal = {"row": 1, "column": "a", "reason": "missing_column", "message": "no column b | c", "dataset": "ledger"}
    ledger.log.append(Leaf(Kind.REFUSED_FILE, refusal, {"path": "ledger/2018.csv"}))
    result = CliRunner().invoke(app, ["quarantine", "report"])
    assert result.exit_code == 0
    page = (home / "quarantine-report.md").read_text()
    assert str(home / "quarantine-report.md") in result.output.replace("\n", "")
    assert "| ledger/2018.csv | missing_column | no column b \\| c |" in page


def test_an_expected_failure_is_one_message_and_exit_status_1(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["ledgerline", "trace", "fraud@9"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "nothing recorded is called 'fraud@9'" in said
    assert "Traceback" not in said


def test_scoring_without_a_running_job_says_how_to_start_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    words = ["score", "--customer", "1", "--terminal", "2", "--amount-minor", "100", "--at", "2018-10-01"]
    monkeypatch.setattr("sys.argv", ["ledgerline", *words])
    with pytest.raises(SystemExit):
        main()
    assert "make run" in capsys.readouterr().err


def test_status_without_a_stack_exits_1_and_says_so(home: Path):
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 1


def test_trace_as_json_names_every_step_and_a_changed_file_fails_it(home: Path):
    ledger = Ledger.open(Settings())
    sha256 = ledger.objects.put(b"raw")
    raw = ledger.log.append(Leaf(Kind.RAW_FILE, {"sha256": sha256}, {"path": "a.csv"}))
    ledger.log.append(Leaf(Kind.DECISION, {"decision_id": "c0ffee42"}), [Parent(raw, "raw")])
    result = CliRunner().invoke(app, ["trace", "c0ffee42", "--json"])
    assert result.exit_code == 0
    assert [step["kind"] for step in json.loads(result.output)["steps"]] == ["decision", "raw_file"]
    stored = Path(ledger.objects.location(sha256))
    stored.chmod(0o644)
    stored.write_bytes(b"war")
    assert CliRunner().invoke(app, ["trace", "c0ffee42", "--json"]).exit_code == 1


def test_a_name_with_brackets_is_shown_as_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["ledgerline", "trace", "a[b]c[/d].csv"])
    with pytest.raises(SystemExit):
        main()
    assert "'a[b]c[/d].csv'" in capsys.readouterr().err


def test_a_traced_file_with_brackets_in_its_name_is_shown_as_it_is(home: Path):
    ledger = Ledger.open(Settings())
    sha256 = ledger.objects.put(b"raw")
    ledger.log.append(Leaf(Kind.RAW_FILE, {"sha256": sha256}, {"path": "a[b]c[/d].csv"}))
    result = CliRunner().invoke(app, ["trace", sha256])
    assert result.exit_code == 0
    assert result.output.count("a[b]c[/d].csv") == 2


def test_a_quarantined_value_with_brackets_is_shown_as_it_is(home: Path):
    ledger = Ledger.open(Settings())
    refusal = {"row": 1, "column": "a[b]", "reason": "missing_column", "message": "no [/d]"}
    name = ledger.log.append(Leaf(Kind.REFUSED_FILE, refusal))
    result = CliRunner().invoke(app, ["quarantine", "show", name])
    assert result.exit_code == 0
    assert "a[b]" in result.output
    assert "no [/d]" in result.output


def test_a_setting_that_cannot_be_is_named_in_one_message(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("LEDGERLINE_PROFILE", "production")
    monkeypatch.setattr("sys.argv", ["ledgerline", "status"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "LEDGERLINE_PROFILE: Input should be 'sandbox' or 'live'" in capsys.readouterr().err


def test_a_request_states_its_instant_in_utc_to_the_microsecond_whatever_its_zone():
    paid = datetime(2018, 10, 1, 11, 0, 0, 7, tzinfo=timezone(timedelta(hours=2)))
    typed = datetime(2018, 10, 1, 9)  # noqa: DTZ001 (as the command line reads it)
    stated = [scoring_request("1", "2", "3", 4, "EUR", at)["event_time"] for at in (paid, typed)]
    assert stated == ["2018-10-01T09:00:00.000007Z", "2018-10-01T09:00:00.000000Z"]
