"""Tell MLflow about a training, exactly once per bundle: one finished run, one registered version, one alias.

MLflow is an export of the evidence log for people to browse; nothing is ever decided by what it holds.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ledgerline.core.settings import Settings

CHALLENGER_ALIAS = "challenger"
RUN_TAG = "ledgerline.training_run"
BUNDLE_TAG = "ledgerline.bundle"
_PAGE = 200


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """Where MLflow shows a training.

    Attributes:
        run_id: Its run.
        version: Its version in the registry.
    """

    run_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """Which training is told about.

    Attributes:
        family: Name of the experiment and of the registered model.
        training_run: Leaf id of the run: the key under which it is told once.
        bundle: The bundle's digest.
        run_name: What people see in MLflow's list.
        tags: Further ids, by tag name.
    """

    family: str
    training_run: str
    bundle: str
    run_name: str
    tags: Mapping[str, str]


def announce(settings: Settings, announcement: Announcement, log: Callable[[], str]) -> RegisteredModel:
    """Make sure that MLflow holds one finished run and one registered version of a training.

    Everything is logged, then the version is registered, then the run ends: a version that exists therefore belongs to
    a run that holds everything, and a killed announcement is either completed or started anew, its remains marked
    ``KILLED``.

    Args:
        settings: Where MLflow is.
        announcement: Which training.
        log: Logs parameters, metrics, pictures and the model to the active run; returns the model's URI.
    """
    with tracking_server(settings) as client:
        experiment = _experiment(client, settings, announcement.family)
        version = registered_version(client, announcement.family, announcement.bundle)
        if version is None:
            _kill_unfinished(client, experiment, announcement.training_run)
            return _tell(client, experiment, announcement, log)
        _kill_unfinished(client, experiment, announcement.training_run, except_run=version.run_id)
        _complete(client, announcement.family, version)
        return version


def registered_version(client: Any, model: str, bundle: str) -> RegisteredModel | None:
    """Return the registered version of a bundle, or None."""
    found = client.search_model_versions(f"name = '{model}' and tags.`{BUNDLE_TAG}` = '{bundle}'", max_results=_PAGE)
    oldest = min(found, key=lambda version: int(version.version), default=None)
    return RegisteredModel(str(oldest.run_id), int(oldest.version)) if oldest else None


@contextmanager
def tracking_server(settings: Settings) -> Iterator[Any]:
    """Yield a client of the installation's MLflow, which is also the one that MLflow's own functions use meanwhile."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    if settings.mlflow_uri.startswith("sqlite:///"):
        (settings.home / "mlflow").mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(settings.mlflow_uri)
    mlflow.set_registry_uri(settings.mlflow_uri)
    try:
        yield mlflow.MlflowClient()
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


def _tell(client: Any, experiment: str, announcement: Announcement, log: Callable[[], str]) -> RegisteredModel:
    import mlflow

    tags = {RUN_TAG: announcement.training_run, BUNDLE_TAG: announcement.bundle}
    with mlflow.start_run(
        experiment_id=experiment, run_name=announcement.run_name, tags={**announcement.tags, **tags}
    ) as run:
        model_uri = log()
        _create_registered_model(client, announcement.family)
        version = client.create_model_version(
            announcement.family,
            model_uri,
            run_id=run.info.run_id,
            tags=tags,
            model_id=model_uri.removeprefix("models:/"),  # a server registers no logged model without it
        )
        client.set_registered_model_alias(announcement.family, CHALLENGER_ALIAS, version.version)
        return RegisteredModel(run.info.run_id, int(version.version))


def _complete(client: Any, model: str, version: RegisteredModel) -> None:
    """Do what a kill between registering and ending the run left undone."""
    if client.get_run(version.run_id).info.status != "FINISHED":
        client.set_registered_model_alias(model, CHALLENGER_ALIAS, version.version)
        client.set_terminated(version.run_id, "FINISHED")


def _kill_unfinished(client: Any, experiment: str, training_run: str, *, except_run: str | None = None) -> None:
    query = f"tags.`{RUN_TAG}` = '{training_run}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment], query, max_results=_PAGE):
        if run.info.run_id != except_run:
            client.set_terminated(run.info.run_id, "KILLED")


def _experiment(client: Any, settings: Settings, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(name, artifact_location=settings.mlflow_artifacts.resolve().as_uri()))


def _create_registered_model(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as exists:
        if exists.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
