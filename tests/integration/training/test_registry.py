"""MLflow's registry held against the evidence log: whatever was edited there is named, and changes nothing here."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledgerline.audit import Ledger
from ledgerline.core.settings import PROJECT_ROOT, Settings
from pipelines.monitoring import RegistryUnreachable, monitor_models, reconcile
from pipelines.monitoring.registry import Difference
from pipelines.training.tracking import tracking_server


@pytest.fixture
def ledger(trained: Any, tmp_path: Path) -> Ledger:
    """The training's evidence, beside an MLflow of its own to be edited."""
    known = trained.ledger
    shutil.copy(known.settings.home / "mlflow" / "mlflow.db", tmp_path / "mlflow.db")
    said = {name: getattr(known.settings, name) for name in ("home", "project", "data", "mapping")}
    settings = Settings(**said, mlflow_tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    return Ledger(settings, known.clock, known.log, known.objects)


@pytest.fixture
def client(ledger: Ledger) -> Iterator[Any]:
    with tracking_server(ledger.settings) as found:
        yield found


def register(client: Any) -> None:
    client.create_model_version("fraud", source="file:///tmp/by-hand")


def move(client: Any) -> None:
    register(client)
    client.set_registered_model_alias("fraud", "challenger", "2")


def run_of(client: Any) -> str:
    return str(client.get_model_version("fraud", "1").run_id)


EDITS: dict[str, tuple[Callable[[Any], None], set[Difference]]] = {
    "an alias moved": (move, {Difference.ALIAS_MOVED, Difference.VERSION_UNKNOWN}),
    "an alias deleted": (
        lambda client: client.delete_registered_model_alias("fraud", "challenger"),
        {Difference.ALIAS_MISSING},
    ),
    "an alias of nobody's": (
        lambda client: client.set_registered_model_alias("fraud", "production", "1"),
        {Difference.ALIAS_UNKNOWN},
    ),
    "a champion that was never deployed": (
        lambda client: client.set_registered_model_alias("fraud", "champion", "1"),
        {Difference.ALIAS_UNKNOWN},
    ),
    "a version registered by hand": (register, {Difference.VERSION_UNKNOWN}),
    "a version deleted": (
        lambda client: client.delete_model_version("fraud", "1"),
        {Difference.VERSION_MISSING, Difference.ALIAS_MISSING},
    ),
    "the model deleted": (
        lambda client: client.delete_registered_model("fraud"),
        {Difference.VERSION_MISSING, Difference.ALIAS_MISSING},
    ),
    "a version's tag edited": (
        lambda client: client.set_model_version_tag("fraud", "1", "ledgerline.bundle", "0" * 64),
        {Difference.TAG_EDITED},
    ),
    "a version's tag deleted": (
        lambda client: client.delete_model_version_tag("fraud", "1", "ledgerline.bundle"),
        {Difference.TAG_MISSING},
    ),
    "a tag that looks like ours": (
        lambda client: client.set_model_version_tag("fraud", "1", "ledgerline.approved", "yes"),
        {Difference.TAG_UNKNOWN},
    ),
    "a run's tag edited": (
        lambda client: client.set_tag(run_of(client), "ledgerline.training_set", "another"),
        {Difference.TAG_EDITED},
    ),
    "a run deleted": (lambda client: client.delete_run(run_of(client)), {Difference.RUN_MISSING}),
}


def test_what_training_told_mlflow_is_what_the_log_says(ledger: Ledger):
    assert reconcile(ledger) == []


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_is_named_and_nothing_is_put_right(ledger: Ledger, client: Any, edit: str):
    change, expected = EDITS[edit]
    change(client)
    found = reconcile(ledger)
    assert {each.what for each in found} == expected
    assert all(str(each).startswith(f"MLflow, fraud: {each.what}: ") for each in found)
    assert reconcile(ledger) == found


def test_a_version_of_a_family_that_nobody_trained_is_named(ledger: Ledger, client: Any):
    client.create_registered_model("credit")
    client.create_model_version("credit", source="file:///tmp/by-hand")
    client.set_registered_model_alias("credit", "champion", "1")
    found = reconcile(ledger)
    assert {each.family for each in found} == {"credit"}
    assert {each.what for each in found} == {Difference.VERSION_UNKNOWN, Difference.ALIAS_UNKNOWN}


def test_a_persons_note_is_no_difference(ledger: Ledger, client: Any):
    client.set_model_version_tag("fraud", "1", "note", "looks good")
    client.update_model_version("fraud", "1", description="the October model")
    assert reconcile(ledger) == []


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_mlflow_that_is_away_is_said_and_not_waited_for(ledger: Ledger, silent: str, tmp_path: Path):
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    absent = tmp_path / "absent.db"
    for uri in (
        "http://127.0.0.1:9",
        silent,
        f"sqlite:///{absent}",
        f"sqlite:///{tmp_path / 'broken.db'}",
        "postgresql+pg8000://reader:secret@127.0.0.1:9/mlflow",
    ):
        settings = Settings(home=ledger.settings.home, mlflow_tracking_uri=uri)
        away = Ledger(settings, ledger.clock, ledger.log, ledger.objects)
        with pytest.raises(RegistryUnreachable, match=r"cannot be asked|no MLflow store") as said:
            reconcile(away)
        assert "secret" not in str(said.value)
    assert not absent.exists()


def looked_at(ledger: Ledger, **changes: Any) -> Ledger:
    """The same evidence, under the committed monitoring policy."""
    settings = ledger.settings.model_copy(
        update={"project": PROJECT_ROOT, "mapping": PROJECT_ROOT / "mappings" / "sandbox.yaml", **changes}
    )
    return Ledger(settings, ledger.clock, ledger.log, ledger.objects)


def test_a_look_at_the_models_puts_every_difference_on_record_and_says_it(ledger: Ledger, client: Any):
    assert monitor_models(looked_at(ledger)).report["registry"] == []
    client.set_registered_model_alias("fraud", "champion", "1")
    seen = monitor_models(looked_at(ledger))
    (found,) = reconcile(ledger)
    assert str(found) in seen.exceeded
    recorded = json.loads(ledger.objects.get(ledger.log.get(seen.id).identity["report"]))
    assert recorded["registry"] == [{"family": "fraud", "what": "alias_unknown", "said": found.said}]


def test_a_look_at_the_models_does_without_an_mlflow_that_is_away(ledger: Ledger, tmp_path: Path):
    said: list[str] = []
    uri = f"sqlite:///{tmp_path / 'absent.db'}"
    seen = monitor_models(looked_at(ledger, mlflow_tracking_uri=uri), progress=said.append)
    assert seen.report["registry"] is None
    assert any("no MLflow store" in each for each in said)
