"""Hold what MLflow shows against the evidence log: its registry keeps no history, and anybody may edit it.

The log is what counts. A moved alias, an edited tag or a version that nobody trained here changes nothing that is
served; it misleads people who look there, and so it is said.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.deployment import current
from pipelines.promotion.deploy import CHAMPION_ALIAS
from pipelines.training.commit import PEOPLE
from pipelines.training.family import FAMILIES
from pipelines.training.tracking import BUNDLE_TAG, CHALLENGER_ALIAS, RUN_TAG, tracking_server

_OURS = "ledgerline."  # what our tags begin with; other tags are people's notes
_ONLY_IN_MLFLOW = {f"{_OURS}out_of_time"}  # said in the bundle's report, not in the log
_NOT_TAGGED = {"mlflow_run_id", "experiment", *PEOPLE}
_PAGE = 200
# A training tells MLflow just before it is on record, a deployment just after: what is that young is looked at later.
_BEING_TOLD = timedelta(minutes=1)
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


class RegistryUnreachable(LedgerlineError):
    """MLflow cannot be asked now; serving does not need it."""


class Difference(StrEnum):
    """How MLflow can differ from the log."""

    ALIAS_MOVED = "alias_moved"  # an alias of ours points at another version
    ALIAS_MISSING = "alias_missing"
    ALIAS_UNKNOWN = "alias_unknown"  # an alias that nothing here sets
    TAG_EDITED = "tag_edited"
    TAG_MISSING = "tag_missing"
    TAG_UNKNOWN = "tag_unknown"  # a tag that looks like ours
    VERSION_MISSING = "version_missing"
    VERSION_UNKNOWN = "version_unknown"  # a version that no training on record registered
    RUN_MISSING = "run_missing"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One thing that MLflow says otherwise than the log.

    Attributes:
        family: Of which registered model.
        what: What kind of thing.
        said: What MLflow says and what the log says, for a person.
    """

    family: str
    what: Difference
    said: str

    def __str__(self) -> str:
        return f"MLflow, {self.family}: {self.what}: {self.said}"


def reconcile(ledger: Ledger) -> list[Discrepancy]:
    """Compare MLflow's registered versions, aliases and tags with the log; nothing is changed on either side.

    A version registered, or a deployment made, within the last minute is left out: MLflow and the log may be told of it
    one after the other just now.

    Raises:
        RegistryUnreachable: MLflow does not answer within seconds, or has no store yet.
        DeploymentChanged: The log's own word on what is in force does not hold.
    """
    bundles: dict[str, list[RecordedLeaf]] = {family: [] for family in FAMILIES}
    for leaf in ledger.log.leaves(Kind.MODEL_BUNDLE):
        if leaf.detail.get("model_version") is not None:
            bundles[str(leaf.detail["family"])].append(leaf)
    with _registry(ledger) as client:
        return [found for family in sorted(bundles) for found in _compare(ledger, client, family, bundles[family])]


@contextmanager
def _registry(ledger: Ledger) -> Iterator[Any]:
    """Yield MLflow's client, which gives up soon."""
    uri = ledger.settings.mlflow_uri
    if not uri.startswith("http"):
        _knock(uri)
    before = {name: os.environ.get(name) for name in _PATIENCE}
    os.environ.update(_PATIENCE)
    try:
        from mlflow.exceptions import MlflowException

        try:
            with tracking_server(ledger.settings) as client:
                yield client
        except MlflowException as error:
            message = str(error).splitlines()[0][:300]
            raise RegistryUnreachable(
                f"MLflow at {make_url(uri).render_as_string()} cannot be asked: {message}"
            ) from error
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _knock(uri: str) -> None:
    """Ask a database that MLflow would open itself: it would try for minutes, and create a file that is not there."""
    url = make_url(uri)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise RegistryUnreachable(f"there is no MLflow store at {url.database}")
    try:
        engine = create_engine(url)
        try:
            inspect(engine).get_table_names()
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        message = str(error).splitlines()[0][:300]
        raise RegistryUnreachable(f"MLflow's store {url.render_as_string()} cannot be asked: {message}") from error


def _compare(ledger: Ledger, client: Any, family: str, bundles: list[RecordedLeaf]) -> Iterator[Discrepancy]:
    registered = {int(found.version): found for found in _versions(client, family)}
    known = {int(leaf.detail["model_version"]): leaf for leaf in bundles}
    unknown = {version: found for version, found in registered.items() if version not in known}
    young = {version for version, found in unknown.items() if _is_young(ledger, _instant(found))}
    for version in sorted(unknown.keys() - young):
        said = f"version {version} is registered, and no training on record registered it"
        yield Discrepancy(family, Difference.VERSION_UNKNOWN, said)
    for version, bundle in sorted(known.items()):
        if version not in registered:
            said = f"version {version}, bundle {bundle.identity['digest'][:12]}, is no longer registered"
            yield Discrepancy(family, Difference.VERSION_MISSING, said)
            continue
        said = {RUN_TAG: str(bundle.detail["training_run"]), BUNDLE_TAG: str(bundle.identity["digest"])}
        yield from _tags(family, f"version {version}", registered[version].tags, said)
        yield from _run(ledger, client, family, bundle)
    yield from _aliases(ledger, client, family, bundles, young)


def _instant(version: Any) -> datetime:
    return datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)


def _is_young(ledger: Ledger, instant: datetime) -> bool:
    return timedelta(0) <= ledger.clock.now() - instant < _BEING_TOLD


def _versions(client: Any, family: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_model_versions(f"name = '{family}'", max_results=_PAGE, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _run(ledger: Ledger, client: Any, family: str, bundle: RecordedLeaf) -> Iterator[Discrepancy]:
    """Compare the tags of the run that a version came from."""
    run = ledger.log.find(str(bundle.detail["training_run"]))
    if run is None or "mlflow_run_id" not in run.detail:
        return
    name = str(run.detail["mlflow_run_id"])
    shown = _unless_absent(lambda: client.get_run(name))
    if shown is None or shown.info.lifecycle_stage != "active":
        yield Discrepancy(family, Difference.RUN_MISSING, f"run {name} of {run.id[:12]} is no longer shown")
        return
    circumstances = {name: value for name, value in run.detail.items() if name not in _NOT_TAGGED and value is not None}
    said = {
        "training_run": run.id,
        "bundle": bundle.identity["digest"],
        "feature_version": bundle.detail["feature_version"],
        "training_set": run.identity["training_set"],
        "code": run.identity["code"],
        **circumstances,
    }
    yield from _tags(
        family, f"run {name}", shown.data.tags, {f"{_OURS}{key}": str(value) for key, value in said.items()}
    )


def _unless_absent(ask: Callable[[], Any]) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _tags(family: str, where: str, shown: Mapping[str, str], said: Mapping[str, str]) -> Iterator[Discrepancy]:
    for name, value in said.items():
        if name not in shown:
            yield Discrepancy(family, Difference.TAG_MISSING, f"{where} lacks the tag {name}; the log says {value}")
        elif shown[name] != value:
            now = f"{where} says {name} = {shown[name]}; the log says {value}"
            yield Discrepancy(family, Difference.TAG_EDITED, now)
    for name in sorted(shown.keys() - said.keys() - _ONLY_IN_MLFLOW):
        if name.startswith(_OURS):
            yield Discrepancy(family, Difference.TAG_UNKNOWN, f"{where} has a tag {name}, which nothing here sets")


def _aliases(
    ledger: Ledger, client: Any, family: str, bundles: list[RecordedLeaf], young: Collection[int]
) -> Iterator[Discrepancy]:
    model = _unless_absent(lambda: client.get_registered_model(family))
    shown = {alias: int(version) for alias, version in model.aliases.items()} if model else {}
    said = {}
    if bundles:
        said[CHALLENGER_ALIAS] = (bundles[-1], f"trained last, at {instant_text(bundles[-1].recorded_at)}")
    deployed = current(ledger, family)
    if deployed is not None:
        bundle = next((leaf for leaf in bundles if leaf.identity["digest"] == deployed.bundle), None)
        if bundle is not None:
            said[CHAMPION_ALIAS] = (bundle, f"in force since {instant_text(deployed.deployed_at)}")
    being_told = {alias for alias, version in shown.items() if version in young}
    if deployed is not None and _is_young(ledger, deployed.deployed_at):
        being_told.add(CHAMPION_ALIAS)
    for alias, (bundle, since) in said.items():
        truth = f"the log says version {bundle.detail['model_version']}, {since}"
        if alias in being_told:
            continue
        if alias not in shown:
            yield Discrepancy(family, Difference.ALIAS_MISSING, f"nothing is called {alias}; {truth}")
        elif shown[alias] != int(bundle.detail["model_version"]):
            now = f"{alias} is version {shown[alias]}; {truth}"
            yield Discrepancy(family, Difference.ALIAS_MOVED, now)
    for alias in sorted(shown.keys() - said.keys() - being_told):
        known = "nothing is in force" if alias == CHAMPION_ALIAS else "nothing here sets such an alias"
        yield Discrepancy(family, Difference.ALIAS_UNKNOWN, f"{alias} is version {shown[alias]}; {known}")
