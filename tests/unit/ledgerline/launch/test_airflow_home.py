import configparser
import json
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ledgerline.core.settings import Settings
from ledgerline.launch.airflow_config import airflow_config
from ledgerline.launch.airflow_secrets import AirflowSecrets, airflow_secrets, write_private
from ledgerline.launch.layout import Layout


@pytest.fixture
def secrets(tmp_path: Path) -> AirflowSecrets:
    return airflow_secrets(tmp_path / "secrets.json")


def config(home: Path, secrets: AirflowSecrets) -> configparser.ConfigParser:
    text = airflow_config(
        Layout.of(Settings(home=home)),
        dags=home / "dags",
        url="http://127.0.0.1:8080",
        host="127.0.0.1",
        port=8080,
        secrets=secrets,
    )
    parser = configparser.ConfigParser()  # interpolates, as Airflow does
    parser.read_string(text)
    return parser


def test_secrets_are_made_once_and_differ_between_installations(tmp_path, secrets):
    assert airflow_secrets(tmp_path / "secrets.json") == secrets
    other = airflow_secrets(tmp_path / "other.json")
    assert not {secrets.fernet_key, secrets.jwt_secret, secrets.api_secret_key} & {
        other.fernet_key,
        other.jwt_secret,
        other.api_secret_key,
    }


def test_only_the_owner_may_read_the_secrets(tmp_path, secrets):
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_a_replaced_private_file_stays_private(tmp_path):
    path = tmp_path / "airflow.cfg"
    path.write_text("before")
    path.chmod(0o644)
    write_private(path, "after")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("after", 0o600)


def test_secrets_never_show_in_a_representation(secrets):
    assert secrets.jwt_secret not in repr(secrets)
    assert secrets.fernet_key not in f"{secrets}"


def test_the_fernet_key_encrypts(secrets):
    fernet = Fernet(secrets.fernet_key)
    assert fernet.decrypt(fernet.encrypt(b"password")) == b"password"


def test_the_secrets_file_holds_json_and_nothing_else(tmp_path, secrets):
    assert set(json.loads((tmp_path / "secrets.json").read_text())) == {"fernet_key", "jwt_secret", "api_secret_key"}


def test_airflow_listens_on_loopback_only_because_it_asks_for_no_login(tmp_path, secrets):
    found = config(tmp_path, secrets)
    assert found["core"]["simple_auth_manager_all_admins"] == "True"
    assert found["api"]["host"] == "127.0.0.1"


def test_a_percent_sign_in_the_home_survives_airflows_interpolation(tmp_path, secrets):
    home = tmp_path / "100%(sure)s"
    assert config(home, secrets)["core"]["dags_folder"] == str(home / "dags")


def test_every_option_is_one_that_this_airflow_knows(tmp_path, secrets):
    import yaml
    from airflow import config_templates

    folder = Path(config_templates.__path__[0])
    known = yaml.safe_load((folder / "config.yml").read_text())
    found = config(tmp_path, secrets)
    unknown = {
        f"{section}.{option}"
        for section in found.sections()
        for option in found[section]
        if option not in known.get(section, {}).get("options", {})
    }
    assert unknown == set()


def test_a_dead_scheduler_or_task_is_noticed_within_half_a_minute(tmp_path, secrets):
    scheduler = config(tmp_path, secrets)["scheduler"]
    assert int(scheduler["task_instance_heartbeat_timeout"]) <= 30
    assert int(scheduler["scheduler_health_check_threshold"]) <= 30
    assert int(scheduler["orphaned_tasks_check_interval"]) <= 30
