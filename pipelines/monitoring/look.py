"""One look at everything that is deployed, everything that comes in and what came of live decisions, put on record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import canonical_json
from ledgerline.decisions.deployment import current
from pipelines.monitoring.drift import Drift, drift
from pipelines.monitoring.freshness import freshness
from pipelines.monitoring.outcomes import record_label_outcomes
from pipelines.monitoring.policy import DriftLimits, monitoring_policy
from pipelines.monitoring.registry import Discrepancy, RegistryUnreachable, reconcile
from pipelines.monitoring.skew import Skew, skew
from pipelines.monitoring.view_freshness import view_freshness

Progress = Callable[[str], None]
_FAMILIES = ("fraud", "credit", "forecast", "price")


@dataclass(frozen=True, slots=True)
class Monitored:
    """What was seen.

    Attributes:
        id: The look's leaf id.
        exceeded: What exceeds its limit, in sentences; empty when nothing does.
        report: Everything that was measured: ``drift`` and ``skew`` by family, ``freshness`` by dataset, ``views`` (the
            age of each view's newest version), ``exceeded``, ``policy``, and what MLflow's ``registry`` says otherwise
            than the log; None where it could not be asked.
        outcomes: How many live decisions' outcomes have become known since the last look, by family.
    """

    id: str
    exceeded: tuple[str, ...]
    report: dict[str, Any]
    outcomes: Mapping[str, int]


def monitor_models(ledger: Ledger, *, progress: Progress | None = None) -> Monitored:
    """Measure drift and skew of every deployed model and the age of all data, look at MLflow, and record what was seen.

    Before that, what accepted labels say of live decisions is put on record (:mod:`pipelines.monitoring.outcomes`).

    The same evidence and limits give the same leaf, however often it is looked at.

    Raises:
        MonitoringPolicyInvalid: The limits cannot be read.
    """
    say = progress or (lambda _: None)
    policy = monitoring_policy(ledger.settings.project)
    outcomes = record_label_outcomes(ledger, progress=progress)
    drifts = [found for family in _FAMILIES if (found := _drift_of(ledger, family, policy.drift, say)) is not None]
    skews = [found for family in _FAMILIES if (found := _skew_of(ledger, family, policy.drift, say)) is not None]
    ages, views = freshness(ledger, policy.freshness), view_freshness(ledger, policy.freshness)
    exceeded = [sentence for found in drifts for sentence in found.exceeded(policy.drift)]
    exceeded += [sentence for found in skews for sentence in found.exceeded(policy.drift, policy.skew)]
    exceeded += [sentence for age in (*ages, *views) if (sentence := age.exceeded)]
    registry = _registry(ledger, say)
    exceeded += [str(found) for found in registry or ()]
    for sentence in exceeded:
        say(f"exceeded: {sentence}")
    report = {
        "policy": policy.id,
        "drift": {found.family: found.values() for found in drifts},
        "skew": {found.family: found.values() for found in skews},
        "freshness": {age.dataset: age.values() for age in ages},
        "views": {age.view: age.values() for age in views},
        "registry": None if registry is None else [asdict(found) for found in registry],
        "exceeded": exceeded,
    }
    return Monitored(_record(ledger, report, drifts), tuple(exceeded), report, outcomes)


def _registry(ledger: Ledger, say: Progress) -> list[Discrepancy] | None:
    try:
        return reconcile(ledger)
    except RegistryUnreachable as away:  # nothing that is served depends on it
        say(str(away))
        return None


def _drift_of(ledger: Ledger, family: str, limits: DriftLimits, say: Progress) -> Drift | None:
    deployment = current(ledger, family)
    if deployment is None:
        return None
    found = drift(ledger, deployment, limits)
    if found is not None:
        say(f"{family}: {found.rows:,} rows compared with the training set of bundle {found.bundle[:12]}")
    return found


def _skew_of(ledger: Ledger, family: str, limits: DriftLimits, say: Progress) -> Skew | None:
    deployment = current(ledger, family)
    found = skew(ledger, deployment, limits) if deployment else None
    if found is not None:
        say(f"{family}: {found.decisions:,} live decisions looked at, {found.compared:,} of them beside their rows")
    return found


def _record(ledger: Ledger, report: dict[str, Any], drifts: Sequence[Drift]) -> str:
    identity = {
        "report": ledger.objects.put(canonical_json(report)),
        "policy": report["policy"],
        "exceeded": len(report["exceeded"]),
    }
    parents = []
    for found in drifts:
        bundle = ledger.log.latest(Kind.MODEL_BUNDLE, digest=found.bundle)
        parents += [Parent(bundle.id, "bundle")] if bundle else []
        parents.append(Parent(found.feature_version, "features"))
    detail = {"looked_at": instant_text(ledger.clock.now()), "by": ledger.settings.actor}
    return ledger.log.append(Leaf(Kind.MONITORING, identity, detail), list(dict.fromkeys(parents)))
