"""One training, from a feature version to a registered bundle: done once per inputs, parameters and code."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ledgerline.decisions
from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import content_id, source_fingerprint
from ledgerline.core.lock import exclusive
from ledgerline.decisions.bundle import EVALUATION_FILE, Bundle, load_bundle
from ledgerline.decisions.fraud import FAMILY
from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.dataset import training_set_spec
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.inputs import newest_feature_version
from pipelines.training.parameters import family_parameters

if TYPE_CHECKING:
    from pipelines.training.fraud.procedure import TrainedFraudModel
    from pipelines.training.fraud.sealed import SealedTrainingSet
    from pipelines.training.tracking import RegisteredModel

Progress = Callable[[str], None]


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
        version: The feature version.
        parameters: The family's parameters, checked and whole.
        code: Fingerprint of the code that trains and of the code that decides with what it makes.
    """

    version: RecordedLeaf
    parameters: FraudParameters
    code: str

    def run_leaf(self, training_set: str, detail: dict[str, Any] | None = None) -> Leaf:
        """Return the training run's leaf for a training set."""
        identity = {
            "family": FAMILY,
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
    dataset: "SealedTrainingSet"
    trained: "TrainedFraudModel"
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
        family: ``"fraud"``.
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
    if family != FAMILY:
        raise TrainingRefused(f"no family is called {family!r}; there is: {FAMILY}")
    parameters = FraudParameters.checked(family_parameters(ledger.settings.project, family))
    if feature_version is None:
        version = newest_feature_version(ledger, parameters.feature_view)
    else:
        version = ledger.log.get(feature_version)
    if version.kind is not Kind.FEATURE_VERSION or version.identity["view"] != parameters.feature_view:
        raise TrainingRefused(f"{version.id} is no feature version of {parameters.feature_view}")
    return TrainingOrder(version, parameters, _code_fingerprint())


def _train(ledger: Ledger, order: TrainingOrder, dag_run: str | None, say: Progress) -> TrainingResult:
    made = make_model(ledger, order, say)
    say("registering with MLflow")
    circumstances = _circumstances(ledger, order, dag_run)
    registered = _announce(ledger, order, made, circumstances)
    detail = {**circumstances, "mlflow_run_id": registered.run_id, "experiment": FAMILY}
    _record(ledger, order, made, registered.version, detail)
    return TrainingResult(made.run, made.bundle.digest, registered.version, made.trained.report, reused=False)


def make_model(ledger: Ledger, order: TrainingOrder, say: Progress) -> MadeModel:
    """Build the training set, train on it and write the bundle; nothing but the training set's leaf is recorded."""
    # What takes long to import is imported once something is to be computed.
    from pipelines.training.fraud.export import BundleOrigin, export_bundle
    from pipelines.training.fraud.procedure import train_model
    from pipelines.training.fraud.sealed import recomputed_features, seal_training_set

    say("joining features and labels")
    dataset = seal_training_set(ledger, order.version)
    manifest = dataset.manifest
    run = order.run_leaf(dataset.id).id
    trained = train_model(
        dataset.frame,
        as_of=dataset.as_of,
        parameters=order.parameters,
        names=manifest.features,
        recompute=lambda at: recomputed_features(ledger, manifest, at),
        progress=say,
    )
    origin = BundleOrigin(manifest.view, manifest.fingerprint, training_set=dataset.id, training_run=run)
    digest = export_bundle(ledger.objects, trained, origin=origin, names=manifest.features)
    bundle = load_bundle(ledger.objects, digest, feature_fingerprint=manifest.fingerprint)
    return MadeModel(run, dataset, trained, bundle)


def _announce(
    ledger: Ledger, order: TrainingOrder, made: MadeModel, circumstances: dict[str, Any]
) -> "RegisteredModel":
    from pipelines.training.fraud.logged import log_training
    from pipelines.training.tracking import Announcement, announce

    announcement = Announcement(
        family=FAMILY,
        training_run=made.run,
        bundle=made.bundle.digest,
        run_name=f"{FAMILY} {made.dataset.as_of:%Y-%m-%d} {made.run[:8]}",
        tags=_tags(order, made.dataset.id, circumstances),
    )
    parameters = order.parameters.model_dump(mode="json")
    location = ledger.objects.location(made.dataset.sha256)
    return announce(
        ledger.settings,
        announcement,
        lambda: log_training(
            made.trained, dataset=made.dataset, location=location, parameters=parameters, bundle=made.bundle
        ),
    )


def _record(ledger: Ledger, order: TrainingOrder, made: MadeModel, version: int, detail: dict[str, Any]) -> None:
    """Record run and bundle together: a run in the log always has its bundle."""
    run = order.run_leaf(made.dataset.id, detail)
    bundle_detail = {
        "family": FAMILY,
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
    spec = training_set_spec()
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


def _circumstances(ledger: Ledger, order: TrainingOrder, dag_run: str | None) -> dict[str, Any]:
    return {
        "trained_by": ledger.settings.actor,
        "dag_run": dag_run,
        "commit": _commit(ledger.settings.project),
        "trained_at": instant_text(ledger.clock.now()),
    }


def _tags(order: TrainingOrder, training_set: str, circumstances: dict[str, Any]) -> dict[str, str]:
    ids = {"feature_version": order.version.id, "training_set": training_set, "code": order.code}
    return {f"ledgerline.{name}": str(value) for name, value in (ids | circumstances).items() if value is not None}


_LIBRARIES = ("numpy", "polars", "scikit-learn", "scipy", "xgboost")  # whose versions may change a fitted model


def _code_fingerprint() -> str:
    """Return one hash over the code that makes a model: ours by its bytes, the libraries' by their versions."""
    decisions = Path(ledgerline.decisions.__file__).parent
    ours = source_fingerprint([Path(__file__).parent, decisions / "bundle", decisions / "fraud"])
    return content_id({"ours": ours, "libraries": {name: version(name) for name in _LIBRARIES}})


def _commit(project: Path) -> str | None:
    """Return the checkout's commit for the reader; the code's identity is its fingerprint."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
