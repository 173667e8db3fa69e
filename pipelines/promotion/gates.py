"""The gates between a trained model and the people who are asked to sign it: each a small function with a verdict.

A gate looks at the bundle's own evaluation report and at the evidence log, never at a tag or an alias.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from feature_store.errors import FeatureStoreError
from feature_store.views import view_named
from ledgerline.audit import Kind, RecordedLeaf
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.bundle import Bundle
from ledgerline.decisions.fraud import FraudModel
from pipelines.promotion.candidate import Candidate, ReportLacks, champion, fold_figures, leak_checks
from pipelines.training.fraud.fit import ModelName
from pipelines.training.fraud.leaks import LeakCheckName
from pipelines.training.statistics import CONFIDENCE, paired_interval

_ROUNDS = 3


class Gate(StrEnum):
    """Every gate, in the order in which they are passed."""

    BUNDLE_SCAN = "bundle_scan"
    DATA_RECEIPTS = "data_receipts"
    FEATURE_FINGERPRINT = "feature_fingerprint"
    NO_LEAK = "no_leak"
    BEATS_BASELINES = "beats_baselines"
    NOT_WORSE_THAN_CHAMPION = "not_worse_than_champion"
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
    """Return every gate's verdict, in order. A gate that lacks what it must look at refuses."""
    return [_verdict(gate, look, candidate) for gate, look in _GATES.items()]


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
    FraudModel.load(candidate.bundle)  # the format's own reader must accept it too
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
    if not labels or not inputs:
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
    same = fields.feature_fingerprint == view.fingerprint and fields.features == view.feature_names
    detail = f"{view.name} {served}" if same else f"trained on {view.name} {trained_on}, this code computes {served}"
    return Verdict(Gate.FEATURE_FINGERPRINT, same, detail)


def no_leak(candidate: Candidate) -> Verdict:
    """Refuse a model of which any check against looking ahead failed, or was not made."""
    checks = leak_checks(candidate.loaded())
    failed = [name for name in LeakCheckName if not checks.get(name, False)]
    detail = f"failed or not made: {', '.join(failed)}" if failed else f"{len(checks)} checks, nothing looked ahead"
    return Verdict(Gate.NO_LEAK, not failed, detail)


def beats_baselines(candidate: Candidate) -> Verdict:
    """Refuse a model that does not clearly beat every baseline over the same test folds."""
    policy = candidate.policy.beats_baselines
    bundle = candidate.loaded()
    own = fold_figures(bundle, ModelName.XGBOOST, policy.metric)
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
    own, theirs = (fold_figures(each, ModelName.XGBOOST, policy.metric) for each in (bundle, rival))
    shared = sorted(own.keys() & theirs.keys())
    if shared:
        own, theirs = ({name: each[name] for name in shared} for each in (own, theirs))
    over = f"{len(shared)} shared folds" if shared else "folds of different weeks"
    difference = _mean(own) - _mean(theirs)
    detail = f"{policy.metric} {difference:+.4f} to {rival.digest[:12]} over {over}; may lose {policy.margin:g}"
    return Verdict(Gate.NOT_WORSE_THAN_CHAMPION, difference >= -policy.margin, detail)


def latency_budget(candidate: Candidate) -> Verdict:
    """Refuse a model that scores one row too slowly.

    What counts is the computing time of the whole process, best of a few rounds: on a busy machine the time on the wall
    is the scheduler's, not the model's. The latter is kept beside it.
    """
    policy = candidate.policy.latency
    bundle = candidate.loaded()
    model = FraudModel.load(bundle)
    rows = _training_rows(candidate, bundle, policy.rows)
    model.score(rows[0])
    rounds = [_p99_ms(model, rows) for _ in range(_ROUNDS)]
    computing, wall = (round(min(times), 4) for times in zip(*rounds, strict=True))
    detail = f"budget {policy.p99_ms:g} ms of computing at the 99th percentile of single rows"
    measured = {"p99_computing_ms": computing, "p99_wall_ms": wall}
    return Verdict(Gate.LATENCY_BUDGET, computing <= policy.p99_ms, detail, measured)


_GATES: Mapping[Gate, Callable[[Candidate], Verdict]] = {
    Gate.BUNDLE_SCAN: bundle_scan,
    Gate.DATA_RECEIPTS: data_receipts,
    Gate.FEATURE_FINGERPRINT: feature_fingerprint,
    Gate.NO_LEAK: no_leak,
    Gate.BEATS_BASELINES: beats_baselines,
    Gate.NOT_WORSE_THAN_CHAMPION: not_worse_than_champion,
    Gate.LATENCY_BUDGET: latency_budget,
}


def _verdict(gate: Gate, look: Callable[[Candidate], Verdict], candidate: Candidate) -> Verdict:
    try:
        return look(candidate)
    except LedgerlineError as lacking:
        return Verdict(gate, False, str(lacking))


def _receipt_problem(candidate: Candidate, leaf: RecordedLeaf) -> str | None:
    if leaf.kind is not Kind.VALIDATION_RECEIPT:
        return f"{leaf.kind} {leaf.id[:12]} is no validation receipt"
    if leaf.identity["verdict"] != "accepted":
        return f"receipt {leaf.id[:12]} of {leaf.identity['dataset']} says {leaf.identity['verdict']}"
    try:
        candidate.parent(candidate.parent(leaf, Kind.LANDED_BATCH), Kind.RAW_FILE)
    except ReportLacks as lacking:
        return str(lacking)
    return None


def _least_gain(bundle: Bundle, own: Mapping[str, float], baseline: ModelName, metric: str) -> float:
    """Return the lower bound of the mean paired difference to a baseline over the same folds."""
    other = fold_figures(bundle, baseline, metric)
    if own.keys() != other.keys():
        raise ReportLacks(f"{baseline} was tested on other folds than the model")
    low = paired_interval([own[fold] - other[fold] for fold in own]).low
    if low is None:
        raise ReportLacks(f"{len(own)} test folds say nothing about how sure the difference to {baseline} is")
    return low


def _mean(figures: Mapping[str, float]) -> float:
    return math.fsum(figures.values()) / len(figures)


def _training_rows(candidate: Candidate, bundle: Bundle, count: int) -> list[dict[str, float]]:
    with candidate.ledger.objects.local(candidate.training_set().identity["sha256"]) as path:
        frame = pl.scan_parquet(path).select(bundle.fields.features).head(count).collect()
    rows: list[dict[str, float]] = frame.cast(pl.Float64).to_dicts()
    if not rows:
        raise ReportLacks("the training set holds no row to time")
    return [rows[index % len(rows)] for index in range(count)]


def _p99_ms(model: FraudModel, rows: list[dict[str, float]]) -> tuple[float, float]:
    """Return the 99th percentiles of computing time and of wall time, milliseconds."""
    computing, wall = [], []
    for row in rows:
        started, began = time.perf_counter(), time.process_time()
        model.score(row)
        computing.append(time.process_time() - began)
        wall.append(time.perf_counter() - started)
    place = math.ceil(0.99 * len(rows)) - 1
    return sorted(computing)[place] * 1000, sorted(wall)[place] * 1000
