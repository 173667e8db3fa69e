"""How far each family's line has come, read from the evidence, and which DAG takes it on from there.

Assets lead from one DAG to the next. A run that was killed in between has published its asset already, or never will:
whoever starts the line again asks here what is left to set off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from feature_store.views import view_named
from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.contracts import contract_named
from ledgerline.decisions.deployment import current
from pipelines import features, training
from pipelines.ingestion import mapped_datasets
from pipelines.promotion import missing_approvals
from pipelines.promotion.approvals import latest_evaluation
from pipelines.training.parameters import family_parameters

FAMILIES = ("fraud", "credit", "forecast", "price")


class Stage(StrEnum):
    """What a family's newest data have led to."""

    NO_DATA = "no_data"  # the source has nothing that it could be trained on
    TO_BUILD = "to_build"
    TO_TRAIN = "to_train"
    TO_JUDGE = "to_judge"
    REFUSED = "refused"  # by the gates
    UNSIGNED = "unsigned"  # waits for people
    TO_DEPLOY = "to_deploy"
    TO_PUBLISH = "to_publish"  # in force, but what it forecasts is not published yet
    IN_FORCE = "in_force"

    @property
    def is_final(self) -> bool:
        """Whether no DAG can take it further."""
        return self in (Stage.NO_DATA, Stage.REFUSED, Stage.UNSIGNED, Stage.IN_FORCE)


@dataclass(frozen=True, slots=True)
class FamilyLine:
    """One family's line.

    Attributes:
        family: Whose.
        stage: How far it has come.
        bundle: The newest model's digest, if there is one.
        why: What refused it, or whose signature is missing.
    """

    family: str
    stage: Stage
    bundle: str | None = None
    why: tuple[str, ...] = ()

    @property
    def next_dag(self) -> tuple[str, dict[str, Any]] | None:
        """The DAG that takes it further, with its configuration; None where none can."""
        match self.stage:
            case Stage.TO_BUILD:
                return "build_features", {}
            case Stage.TO_TRAIN:
                return f"train_{self.family}", {}
            case Stage.TO_JUDGE | Stage.TO_DEPLOY:
                return f"promote_{self.family}", {"bundle": self.bundle}
            case Stage.TO_PUBLISH:
                return f"publish_{self.family}", {}
            case _:
                return None


def ingest_dags(ledger: Ledger) -> list[str]:
    """Return the ingest DAGs that the source has something for."""
    domains = {contract_named(name).domain for name in mapped_datasets(ledger.settings)}
    return sorted(f"ingest_{domain}" for domain in domains)


def all_dags() -> list[str]:
    """Return every DAG of the line: those that assets set off must be known before the first asset is published."""
    ingest = [f"ingest_{domain}" for domain in ("market", "economic", "alternative", "business")]
    per_family = [f"{verb}_{family}" for family in FAMILIES for verb in ("train", "promote")]
    return [*ingest, "build_features", *per_family, "publish_forecast", "score_batch", "monitor_models"]


def family_lines(ledger: Ledger) -> list[FamilyLine]:
    """Return how far every family's line has come."""
    due = set(features.due_views(ledger))
    mapped = mapped_datasets(ledger.settings)
    return [family_line(ledger, family, due=due, mapped=mapped) for family in FAMILIES]


def family_line(ledger: Ledger, family: str, *, due: set[str], mapped: Sequence[str]) -> FamilyLine:
    """Return how far one family's line has come.

    Args:
        ledger: The installation.
        family: Whose.
        due: The views that something new would change.
        mapped: The datasets that the source has.
    """
    view = str(family_parameters(ledger.settings.project, family)["feature_view"])
    if view_named(view).sources[0].name not in mapped:
        return FamilyLine(family, Stage.NO_DATA)
    if view in due:
        return FamilyLine(family, Stage.TO_BUILD)
    built = features.versions(ledger, view)
    if not built:
        return FamilyLine(family, Stage.NO_DATA)
    run = training.find_run(ledger, family, built[-1].id)
    if run is None:
        return FamilyLine(family, Stage.TO_TRAIN)
    bundle = next(leaf for role, leaf in ledger.log.children(run.id) if role == "run")
    return _after_training(ledger, family, str(bundle.identity["digest"]))


def _after_training(ledger: Ledger, family: str, digest: str) -> FamilyLine:
    evaluation = latest_evaluation(ledger, digest)
    if evaluation is None:
        return FamilyLine(family, Stage.TO_JUDGE, digest)
    if not evaluation.identity["passed"]:
        return FamilyLine(family, Stage.REFUSED, digest, _refused_by(evaluation))
    if missing := missing_approvals(ledger, digest):
        return FamilyLine(family, Stage.UNSIGNED, digest, tuple(missing))
    deployment = current(ledger, family)
    if deployment is None or deployment.bundle != digest:
        return FamilyLine(family, Stage.TO_DEPLOY, digest)
    if family == "forecast" and ledger.log.latest(Kind.FORECAST, bundle=digest) is None:
        return FamilyLine(family, Stage.TO_PUBLISH, digest)
    return FamilyLine(family, Stage.IN_FORCE, digest)


def _refused_by(evaluation: RecordedLeaf) -> tuple[str, ...]:
    return tuple(f"{gate['gate']}: {gate['detail']}" for gate in evaluation.identity["gates"] if not gate["passed"])
