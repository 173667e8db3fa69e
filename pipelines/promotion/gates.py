"""The gates between a trained model and the people who are asked to sign it: each a small function with a verdict.

A gate looks at the bundle's own evaluation report and at the evidence log, never at a tag or an alias.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from feature_store.errors import FeatureStoreError
from feature_store.views import view_named
from ledgerline.audit import Kind, RecordedLeaf
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.bundle import Bundle
from ledgerline.decisions.models import load_model
from pipelines.promotion.candidate import (
    Candidate,
    ReportLacks,
    champion,
    deployed_name,
    fold_figures,
    higher_is_better,
    leak_checks,
)
from pipelines.promotion.family_gates import fairness_problem, signal_problems
from pipelines.promotion.family_terms import FAMILY_TERMS
from pipelines.promotion.latency import measure_latency
from pipelines.training.statistics import CONFIDENCE, paired_interval


class Gate(StrEnum):
    """Every gate, in the order in which they are passed."""

    BUNDLE_SCAN = "bundle_scan"
    DATA_RECEIPTS = "data_receipts"
    FEATURE_FINGERPRINT = "feature_fingerprint"
    NO_LEAK = "no_leak"
    BEATS_BASELINES = "beats_baselines"
    NOT_WORSE_THAN_CHAMPION = "not_worse_than_champion"
    SIGNIFICANT_SIGNAL = "significant_signal"
    FAIRNESS_REPORTED = "fairness_reported"
    LATENCY_BUDGET = "latency_budget"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate's answer.

    Attributes:
        gate: Which.
        passed: Whether the model may go on.
        detail: The figure and the limit that met it. The same for the same model and policy.
        measured: What a second look would measure differently, e.g. milliseconds; kept beside the verdict.
    """

    gate: Gate
    passed: bool
    detail: str
    measured: Mapping[str, float] = field(default_factory=dict)


def judge(candidate: Candidate) -> list[Verdict]:
    """Return the verdict of every gate that the policy asks for, in order.

    A gate that lacks what it must look at refuses.
    """
    policy = candidate.policy
    not_asked = {
        *([Gate.SIGNIFICANT_SIGNAL] if policy.significant_signal is None else []),
        *([Gate.FAIRNESS_REPORTED] if policy.fairness_reported is None else []),
    }
    return [_verdict(gate, look, candidate) for gate, look in _GATES.items() if gate not in not_asked]


def bundle_scan(candidate: Candidate) -> Verdict:
    """Refuse bytes that changed, unknown formats, pickles, and more bytes than a model needs."""
    limits = candidate.policy.bundle_scan
    if candidate.bundle is None:
        return Verdict(Gate.BUNDLE_SCAN, False, candidate.refusal or "the bundle does not load")
    sizes = {name: len(content) for name, content in candidate.bundle.files.items()}
    total, largest = sum(sizes.values()), max(sizes, key=lambda name: sizes[name])
    if sizes[largest] > limits.largest_file_bytes:
        detail = f"{largest} has {sizes[largest]:,} bytes, more than {limits.largest_file_bytes:,}"
        return Verdict(Gate.BUNDLE_SCAN, False, detail)
    if total > limits.largest_bundle_bytes:
        detail = f"the bundle has {total:,} bytes, more than {limits.largest_bundle_bytes:,}"
        return Verdict(Gate.BUNDLE_SCAN, False, detail)
    load_model(candidate.bundle)  # the format's own reader must accept it too
    return Verdict(Gate.BUNDLE_SCAN, True, f"{len(sizes)} files, {total:,} bytes, every hash right, no pickle")


def data_receipts(candidate: Candidate) -> Verdict:
    """Refuse a model of which any input was not validated, or not accepted, or does not lead to a raw file."""
    training_set = candidate.training_set()
    if candidate.loaded().fields.training_set != training_set.id:
        return Verdict(Gate.DATA_RECEIPTS, False, "the bundle's manifest names another training set than the log")
    parents = candidate.ledger.log.parents
    features = candidate.parent(training_set, Kind.FEATURE_VERSION)
    labels = [leaf for role, leaf in parents(training_set.id) if role == "labels"]
    inputs = [leaf for _, leaf in parents(features.id)]
    if not inputs or not (labels or training_set.identity["labels"] == []):
        return Verdict(Gate.DATA_RECEIPTS, False, f"{len(inputs)} inputs of features and {len(labels)} of labels")
    receipts = {leaf.id: leaf for leaf in (*inputs, *labels)}
    refused = [problem for leaf in receipts.values() if (problem := _receipt_problem(candidate, leaf))]
    if refused:
        return Verdict(Gate.DATA_RECEIPTS, False, f"{len(refused)} of {len(receipts)} inputs: {refused[0]}")
    return Verdict(Gate.DATA_RECEIPTS, True, f"{len(receipts)} inputs, each validated, accepted and kept raw")


def feature_fingerprint(candidate: Candidate) -> Verdict:
    """Refuse a model whose features the running code would compute differently."""
    fields = candidate.loaded().fields
    try:
        view = view_named(fields.feature_view)
    except FeatureStoreError as unknown:
        return Verdict(Gate.FEATURE_FINGERPRINT, False, str(unknown))
    trained_on, served = fields.feature_fingerprint[:12], view.fingerprint[:12]
    # An open view's features are named by its data; how the model encodes them is its own business.
    names_fit = not view.feature_names or set(fields.features) <= set(view.feature_names)
    same = fields.feature_fingerprint == view.fingerprint and names_fit
    detail = f"{view.name} {served}" if same else f"trained on {view.name} {trained_on}, this code computes {served}"
    return Verdict(Gate.FEATURE_FINGERPRINT, same, detail)


def no_leak(candidate: Candidate) -> Verdict:
    """Refuse a model of which any check against looking ahead failed, or was not made."""
    checks = leak_checks(candidate.loaded())
    required = FAMILY_TERMS[candidate.loaded().fields.family].leak_checks
    failed = [name for name in (*required, *(checks.keys() - set(required))) if not checks.get(name, False)]
    detail = f"failed or not made: {', '.join(failed)}" if failed else f"{len(checks)} checks, nothing looked ahead"
    return Verdict(Gate.NO_LEAK, not failed, detail)


def beats_baselines(candidate: Candidate) -> Verdict:
    """Refuse a model that does not clearly beat every baseline over the same test folds."""
    policy = candidate.policy.beats_baselines
    bundle = candidate.loaded()
    own = fold_figures(bundle, deployed_name(bundle), policy.metric)
    gains = {name: _least_gain(bundle, own, name, policy.metric) for name in policy.baselines}
    said = ", ".join(f"{name} {gain:+.4f}" for name, gain in gains.items())
    detail = (
        f"{policy.metric} over {len(own)} folds, lower bound of the paired difference ({CONFIDENCE:.0%}): {said}; "
        f"must exceed {policy.least_gain:g}"
    )
    return Verdict(Gate.BEATS_BASELINES, all(gain > policy.least_gain for gain in gains.values()), detail)


def not_worse_than_champion(candidate: Candidate) -> Verdict:
    """Refuse a model that falls behind the one that serves, over the test folds that both were tested on."""
    policy = candidate.policy.not_worse_than_champion
    bundle = candidate.loaded()
    rival = champion(candidate.ledger, bundle.fields.family, other_than=candidate.digest)
    if rival is None:
        return Verdict(Gate.NOT_WORSE_THAN_CHAMPION, True, "there is no champion yet")
    own, theirs = (fold_figures(each, deployed_name(each), policy.metric) for each in (bundle, rival))
    shared = sorted(own.keys() & theirs.keys())
    if shared:
        own, theirs = ({name: each[name] for name in shared} for each in (own, theirs))
    over = f"{len(shared)} shared folds" if shared else "folds of different weeks"
    difference = (_mean(own) - _mean(theirs)) * (1 if higher_is_better(bundle, policy.metric) else -1)
    detail = f"{policy.metric} {difference:+.4f} to {rival.digest[:12]} over {over}; may lose {policy.margin:g}"
    return Verdict(Gate.NOT_WORSE_THAN_CHAMPION, difference >= -policy.margin, detail)


def significant_signal(candidate: Candidate) -> Verdict:
    """Refuse a price model whose signal may be luck, or is eaten by costs."""
    policy = candidate.policy.significant_signal
    assert policy is not None, "judge() asks only for what the policy holds"  # noqa: S101 (a defect, not an input)
    problems, said = signal_problems(candidate.loaded(), policy)
    return Verdict(Gate.SIGNIFICANT_SIGNAL, not problems, "; ".join([*problems, said]))


def fairness_reported(candidate: Candidate) -> Verdict:
    """Refuse a model whose effect on protected groups was not measured; what the figures say, people judge."""
    policy = candidate.policy.fairness_reported
    assert policy is not None, "judge() asks only for what the policy holds"  # noqa: S101 (a defect, not an input)
    problem, said = fairness_problem(candidate.loaded(), policy)
    return Verdict(Gate.FAIRNESS_REPORTED, problem is None, problem or said)


def latency_budget(candidate: Candidate) -> Verdict:
    """Refuse a model that decides on one row, or forecasts one series, too slowly.

    What counts is the computing time of the whole process, best of a few rounds: on a busy machine the time on the wall
    is the scheduler's, not the model's. The latter is kept beside it.
    """
    policy = candidate.policy.latency
    measured = measure_latency(candidate, rows=policy.rows)
    detail = f"budget {policy.p99_ms:g} ms of computing at the 99th percentile of single {measured.what}"
    figures = {"p99_computing_ms": measured.computing_ms, "p99_wall_ms": measured.wall_ms}
    return Verdict(Gate.LATENCY_BUDGET, measured.computing_ms <= policy.p99_ms, detail, figures)


_GATES: Mapping[Gate, Callable[[Candidate], Verdict]] = {
    Gate.BUNDLE_SCAN: bundle_scan,
    Gate.DATA_RECEIPTS: data_receipts,
    Gate.FEATURE_FINGERPRINT: feature_fingerprint,
    Gate.NO_LEAK: no_leak,
    Gate.BEATS_BASELINES: beats_baselines,
    Gate.NOT_WORSE_THAN_CHAMPION: not_worse_than_champion,
    Gate.SIGNIFICANT_SIGNAL: significant_signal,
    Gate.FAIRNESS_REPORTED: fairness_reported,
    Gate.LATENCY_BUDGET: latency_budget,
}


def _verdict(gate: Gate, look: Callable[[Candidate], Verdict], candidate: Candidate) -> Verdict:
    try:
        return look(candidate)
    except LedgerlineError as lacking:
        return Verdict(gate, False, str(lacking))


def _receipt_problem(candidate: Candidate, leaf: RecordedLeaf) -> str | None:
    if leaf.kind not in {Kind.VALIDATION_RECEIPT, Kind.RELEASE}:
        return f"{leaf.kind} {leaf.id[:12]} is no validation receipt"
    if leaf.identity["verdict"] != "accepted":
        return f"receipt {leaf.id[:12]} of {leaf.identity['dataset']} says {leaf.identity['verdict']}"
    try:
        candidate.parent(candidate.parent(leaf, Kind.LANDED_BATCH), Kind.RAW_FILE)
    except ReportLacks as lacking:
        return str(lacking)
    return None


def _least_gain(bundle: Bundle, own: Mapping[str, float], baseline: str, metric: str) -> float:
    """Return the lower bound of how much better than a baseline the model is, paired over the same folds."""
    other = fold_figures(bundle, baseline, metric)
    if own.keys() != other.keys():
        raise ReportLacks(f"{baseline} was tested on other folds than the model")
    sign = 1 if higher_is_better(bundle, metric) else -1
    low = paired_interval([sign * (own[fold] - other[fold]) for fold in own]).low
    if low is None:
        raise ReportLacks(f"{len(own)} test folds say nothing about how sure the difference to {baseline} is")
    return low


def _mean(figures: Mapping[str, float]) -> float:
    return math.fsum(figures.values()) / len(figures)
