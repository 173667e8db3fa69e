"""One training, from a feature version to a registered bundle: done once per inputs, parameters and code."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import feature_store
import ledgerline.decisions
import pipelines.features
from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import content_id, source_fingerprint
from ledgerline.core.lock import exclusive
from ledgerline.decisions.bundle import EVALUATION_FILE, Bundle, load_bundle, write_bundle
from pipelines.training.commit import PEOPLE, code_commit
from pipelines.training.errors import TrainingRefused
from pipelines.training.family import Family, Parameters, Progress, Trained, family_named
from pipelines.training.inputs import newest_feature_version
from pipelines.training.parameters import family_parameters
from pipelines.training.sealed import BundleOrigin, SealedTrainingSet

if TYPE_CHECKING:
    from pipelines.training.tracking import RegisteredModel


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training came to.

    Attributes:
        run: Leaf id of the training run.
        bundle: The bundle's digest.
        model_version: Its version in MLflow's registry.
        report: The evaluation report, as in the bundle.
        reused: Whether the same training had been done before, and nothing was computed.
    """

    run: str
    bundle: str
    model_version: int
    report: dict[str, Any]
    reused: bool


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """What a training is made of; equal orders are one training.

    Attributes:
        family: Whose model.
        version: The feature version.
        parameters: The family's parameters, checked and whole.
        code: Fingerprint of the code that trains and of the code that decides with what it makes.
    """

    family: Family
    version: RecordedLeaf
    parameters: Parameters
    code: str

    def run_leaf(self, training_set: str, detail: dict[str, Any] | None = None) -> Leaf:
        """Return the training run's leaf for a training set."""
        identity = {
            "family": self.family.name,
            "training_set": training_set,
            "parameters": self.parameters.model_dump(mode="json"),
            "code": self.code,
        }
        return Leaf(Kind.TRAINING_RUN, identity, detail or {})


@dataclass(frozen=True, slots=True)
class MadeModel:
    """What a training computed, before MLflow and the log know of it.

    Attributes:
        run: Leaf id of the training run, known before it is recorded because it hashes what the run is made of.
        dataset: The training set.
        trained: The model and its evaluation.
        bundle: The bundle, as loaded back from the object store.
    """

    run: str
    dataset: SealedTrainingSet
    trained: Trained
    bundle: Bundle


def train(
    ledger: Ledger,
    family: str = "fraud",
    *,
    feature_version: str | None = None,
    dag_run: str | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a family's model, or return the training that was done before.

    It may be killed at any point and called again, and be called twice at once: in the end there is one leaf, one
    bundle and one registered version per training.

    Args:
        ledger: The installation.
        family: One of :data:`pipelines.training.family.FAMILIES`.
        feature_version: Leaf id of a feature version, or its start; None for the newest.
        dag_run: Which Airflow run asks, for the record.
        progress: Told what is being done.

    Raises:
        TrainingRefused: The inputs or the parameters do not allow a training.
        UnknownLeaf: No such feature version.
    """
    say = progress or (lambda _: None)
    order = training_order(ledger, family, feature_version)
    lock = ledger.settings.home / "locks" / f"training-{family}.lock"
    with exclusive(lock, waiting=lambda: say("waiting for another training to end")):
        done = _finished_run(ledger, order)
        return _reused(ledger, done) if done else _train(ledger, order, dag_run, say)


def find_run(ledger: Ledger, family: str, feature_version: str) -> RecordedLeaf | None:
    """Return the finished training run of a feature version with the present parameters and code, or None.

    Cheap: only the log is read.
    """
    return _finished_run(ledger, training_order(ledger, family, feature_version))


def training_order(ledger: Ledger, family: str, feature_version: str | None) -> TrainingOrder:
    """Return what a training would be made of now.

    Raises:
        TrainingRefused: Unknown family, wrong parameters, or no feature version.
    """
    wanted = family_named(family)
    parameters = wanted.parameters(family_parameters(ledger.settings.project, family))
    if feature_version is None:
        version = newest_feature_version(ledger, parameters.feature_view)
    else:
        version = ledger.log.get(feature_version)
    if version.kind is not Kind.FEATURE_VERSION or version.identity["view"] != parameters.feature_view:
        raise TrainingRefused(f"{version.id} is no feature version of {parameters.feature_view}")
    return TrainingOrder(wanted, version, parameters, code_fingerprint(wanted))


def _train(ledger: Ledger, order: TrainingOrder, dag_run: str | None, say: Progress) -> TrainingResult:
    commit = code_commit(ledger.settings.project)  # before the work: the checkout may move on meanwhile
    made = make_model(ledger, order, say)
    say("registering with MLflow")
    circumstances = _circumstances(ledger, dag_run, commit)
    registered = _announce(ledger, order, made, circumstances)
    detail = {**circumstances, "mlflow_run_id": registered.run_id, "experiment": order.family.name}
    _record(ledger, order, made, registered.version, detail)
    return TrainingResult(made.run, made.bundle.digest, registered.version, made.trained.report, reused=False)


def make_model(ledger: Ledger, order: TrainingOrder, say: Progress) -> MadeModel:
    """Build the training set, train on it and write the bundle; nothing but the training set's leaf is recorded."""
    say("joining features and labels")
    family, parameters = order.family, order.parameters
    dataset = family.dataset(ledger, order.version, parameters)
    run = order.run_leaf(dataset.id).id
    trained = family.train(ledger, dataset, parameters, say)
    manifest = dataset.manifest
    origin = BundleOrigin(manifest.view, manifest.fingerprint, training_set=dataset.id, training_run=run)
    digest = write_bundle(ledger.objects, *family.bundle(trained, dataset, origin))
    return MadeModel(
        run, dataset, trained, load_bundle(ledger.objects, digest, feature_fingerprint=manifest.fingerprint)
    )


def _announce(
    ledger: Ledger, order: TrainingOrder, made: MadeModel, circumstances: dict[str, Any]
) -> "RegisteredModel":
    from pipelines.training.tracking import Announcement, announce  # what takes long to import, once there is a model

    family = order.family
    announcement = Announcement(
        family=family.name,
        training_run=made.run,
        bundle=made.bundle.digest,
        run_name=f"{family.name} {made.dataset.as_of:%Y-%m-%d} {made.run[:8]}",
        tags=_tags(order, made, circumstances),
    )
    location = ledger.objects.location(made.dataset.sha256)
    return announce(
        ledger.settings,
        announcement,
        lambda: family.log(made.trained, made.dataset, order.parameters, made.bundle, location),
    )


def _record(ledger: Ledger, order: TrainingOrder, made: MadeModel, version: int, detail: dict[str, Any]) -> None:
    """Record run and bundle together: a run in the log always has its bundle."""
    run = order.run_leaf(made.dataset.id, detail)
    bundle_detail = {
        "family": order.family.name,
        "model_version": version,
        "trained_by": ledger.settings.actor,
        "training_run": run.id,
        "training_set": made.dataset.id,
        "feature_version": order.version.id,
    }
    bundle = Leaf(Kind.MODEL_BUNDLE, {"digest": made.bundle.digest}, bundle_detail)
    with ledger.log.transaction() as transaction:
        ledger.log.record(transaction, run, [Parent(made.dataset.id, "training_set")])
        ledger.log.record(transaction, bundle, [Parent(run.id, "run")])


def _finished_run(ledger: Ledger, order: TrainingOrder) -> RecordedLeaf | None:
    spec = order.family.spec(order.parameters)
    for role, training_set in ledger.log.children(order.version.id):
        if role != "features" or training_set.identity.get("spec") != spec:
            continue
        if found := ledger.log.find(order.run_leaf(training_set.id).id):
            return found
    return None


def _reused(ledger: Ledger, run: RecordedLeaf) -> TrainingResult:
    bundle = next(leaf for role, leaf in ledger.log.children(run.id) if role == "run")
    digest = str(bundle.identity["digest"])
    report = json.loads(load_bundle(ledger.objects, digest).files[EVALUATION_FILE])
    return TrainingResult(run.id, digest, int(bundle.detail["model_version"]), report, reused=True)


def _circumstances(ledger: Ledger, dag_run: str | None, commit: dict[str, Any]) -> dict[str, Any]:
    return {
        "trained_by": ledger.settings.actor,
        "dag_run": dag_run,
        **commit,
        "trained_at": instant_text(ledger.clock.now()),
    }


def _tags(order: TrainingOrder, made: MadeModel, circumstances: dict[str, Any]) -> dict[str, str]:
    ids = {"feature_version": order.version.id, "training_set": made.dataset.id, "code": order.code}
    facts = {"out_of_time": made.trained.report["out_of_time"]}
    known = {**ids, **circumstances, **facts}
    told = {name: value for name, value in known.items() if value is not None and name not in PEOPLE}
    return {f"ledgerline.{name}": str(value) for name, value in told.items()}


def code_fingerprint(family: Family) -> str:
    """Return one hash over the code that makes a family's model: ours by its bytes, the libraries' by their versions.

    Another family's code is not in it: work on one family trains no other again.
    """
    here = Path(__file__).parent
    shared = [*sorted(here.glob("*.py")), Path(ledgerline.decisions.__file__).parent / "bundle", *_checks()]
    ours = source_fingerprint([*shared, *family.code])
    return content_id({"ours": ours, "libraries": {name: version(name) for name in family.libraries}})


def _checks() -> list[Path]:
    """Return the files outside this stage whose bytes decide what the leak checks of a report say."""
    store, stage = (Path(str(package.__file__)).parent for package in (feature_store, pipelines.features))
    return [store / "lookahead.py", store / "scrambling.py", stage / "outcomes.py", stage / "recompute.py"]
