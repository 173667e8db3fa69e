import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerline.core.settings import Profile, Settings
from ledgerline.launch.environment import settings_environment, stack_environment
from ledgerline.launch.layout import Layout
from ledgerline.launch.program import Part
from ledgerline.launch.programs import Launch, parts_of, programs_of, server_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        data=tmp_path / "files",
        mlflow_tracking_uri="http://127.0.0.1:5001",
        key_passphrase=SecretStr("hunter2"),
        airflow_port=8081,
    )


def environment(settings: Settings, **inherited: str) -> dict[str, str]:
    return stack_environment(settings, Layout.of(settings), token="t", inherited=inherited)


def test_the_handed_down_environment_reads_back_as_the_same_settings(settings, monkeypatch):
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings.model_copy(update={"key_passphrase": None})


def test_a_signing_keys_passphrase_is_never_handed_down(settings):
    assert "hunter2" not in str(environment(settings, LEDGERLINE_KEY_PASSPHRASE="hunter2"))


def test_another_installations_settings_do_not_leak_in(settings):
    foreign = {
        "AIRFLOW_HOME": "/elsewhere",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
        "MLFLOW_TRACKING_URI": "http://production",
        "LEDGERLINE_DATABASE": "postgresql://production",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    found = environment(settings, **foreign)
    assert not set(foreign.values()) & {value for name, value in found.items() if name in foreign}
    assert found["AIRFLOW_HOME"] == str(settings.home / "airflow")


def test_what_else_the_caller_has_set_is_kept(settings):
    assert environment(settings, AWS_PROFILE="desk")["AWS_PROFILE"] == "desk"


def test_tools_are_found_in_this_pythons_folder_and_modules_in_the_project(settings):
    found = environment(settings, PATH="/usr/bin")
    assert found["PATH"].split(":") == [str(Path(sys.executable).parent), "/usr/bin"]
    assert found["PYTHONPATH"] == str(settings.project)


def test_a_proxy_is_never_asked_for_this_machine(settings):
    found = environment(settings, HTTP_PROXY="http://proxy:3128", NO_PROXY="intranet")
    assert found["NO_PROXY"].split(",")[:1] == ["intranet"]
    assert "127.0.0.1" in found["no_proxy"].split(",")


def test_nothing_phones_home(settings):
    found = environment(settings)
    assert found["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert found["DVC_NO_ANALYTICS"] == "true"
    assert found["GX_ANALYTICS_ENABLED"] == "false"


def launch(settings: Settings, *, migrate: bool = True, backend_store: str = "sqlite:///mlflow.db") -> Launch:
    from datetime import UTC, datetime

    began = datetime(2026, 1, 1, tzinfo=UTC)
    return Launch(settings, Layout.of(settings), "t", began, backend_store, migrate)


def test_only_the_sandbox_has_a_demo_approver(settings, tmp_path):
    assert Part.DEMO_APPROVER in parts_of(settings)
    assert Part.DEMO_APPROVER not in parts_of(Settings(home=tmp_path, profile=Profile.LIVE))


def test_no_program_gets_a_secret_on_its_command_line_or_in_its_environment(settings):
    for program in programs_of(launch(settings), frozenset(Part)):
        assert "hunter2" not in str(program.argv) + str(program.environment)


def test_only_who_lands_or_decides_on_personal_data_can_open_it(settings):
    opens = settings.model_copy(update={"personal_key": SecretStr("correct horse")})
    programs = programs_of(launch(opens), frozenset(Part))
    given = {program.part for program in programs if "correct horse" in program.environment.values()}
    assert given == {Part.SCHEDULER, Part.SCORING}
    assert not any("correct horse" in str(program.argv) for program in programs)


def test_the_password_of_mlflows_database_is_on_no_command_line(settings):
    store = "postgresql://mlflow:hunter2@127.0.0.1/mlflow"
    (mlflow,) = programs_of(launch(settings, backend_store=store), frozenset({Part.MLFLOW}))
    assert "hunter2" not in str(mlflow.argv)
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"] == store


def test_airflow_waits_for_its_database_only_where_it_must_be_migrated(settings):
    fresh = {program.part: program for program in programs_of(launch(settings), frozenset(Part))}
    assert fresh[Part.SCHEDULER].after == (Part.AIRFLOW_DATABASE,)
    assert fresh[Part.MLFLOW].after == ()
    migrated = {program.part: program for program in programs_of(launch(settings, migrate=False), frozenset(Part))}
    assert Part.AIRFLOW_DATABASE not in migrated
    assert migrated[Part.SCHEDULER].after == ()


def test_what_a_task_does_is_done_as_airflow(settings):
    by_part = {program.part: program for program in programs_of(launch(settings), frozenset(Part))}
    assert by_part[Part.SCHEDULER].environment["LEDGERLINE_ACTOR"] == "airflow"
    assert by_part[Part.DEMO_APPROVER].environment["LEDGERLINE_ACTOR"] != "airflow"


def test_the_mlflow_servers_settings_come_from_the_mlflow_folder(settings):
    (mlflow,) = programs_of(launch(settings), frozenset({Part.MLFLOW}))
    assert mlflow.environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_server_settings_are_read_as_docker_reads_them(tmp_path):
    file = tmp_path / "server.env"
    file.write_text("# a comment\n\nA=1\nB=two words=and more\n")
    assert server_settings(file) == {"A": "1", "B": "two words=and more"}
    assert server_settings(tmp_path / "absent") == {}
