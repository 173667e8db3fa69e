"""The gates: each can refuse, and every verdict is on record."""

import json
import stat
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.decisions.deployment import record_deployment
from pipelines.promotion import evaluate_gates
from pipelines.promotion.gate_policy import GatePolicyInvalid, gate_policy


def verdict(leaf: RecordedLeaf, gate: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(each for each in leaf.identity["gates"] if each["gate"] == gate)
    return found


def refused_by(leaf: RecordedLeaf) -> list[str]:
    assert leaf.identity["passed"] is (not [each for each in leaf.identity["gates"] if not each["passed"]])
    return [each["gate"] for each in leaf.identity["gates"] if not each["passed"]]


def tuned(line: ModuleType, tmp_path: Path, **changes: Mapping[str, Any]) -> Ledger:
    """An installation whose gates differ from the committed ones."""
    policy = yaml.safe_load((PROJECT_ROOT / "policies" / "gates.yaml").read_text())
    for gate, values in changes.items():
        policy["fraud"][gate] |= values
    project = line.project_with(tmp_path / "project", gates=yaml.safe_dump(policy))
    found: Ledger = line.open_ledger(tmp_path / "home", project=project)
    return found


def damage(ledger: Ledger, sha256: str) -> None:
    path = Path(ledger.objects.location(sha256))
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_good_model_passes_every_gate(ledger: Ledger, line: ModuleType) -> None:
    digest = line.train(ledger)
    leaf = evaluate_gates(ledger, digest)
    assert refused_by(leaf) == []
    assert len(leaf.identity["gates"]) == 7
    assert [(role, parent.identity["digest"]) for role, parent in ledger.log.parents(leaf.id)] == [("bundle", digest)]


def test_judging_twice_records_one_verdict(ledger: Ledger, line: ModuleType) -> None:
    digest = line.train(ledger)
    assert evaluate_gates(ledger, digest) == evaluate_gates(ledger, digest)
    assert len(ledger.log.leaves(Kind.EVALUATION)) == 1


def test_the_measured_latency_stays_out_of_the_verdicts_identity(ledger: Ledger, line: ModuleType) -> None:
    leaf = evaluate_gates(ledger, line.train(ledger))
    measured = leaf.detail["measured"]["latency_budget"]["p99_computing_ms"]
    assert measured > 0
    assert str(measured) not in json.dumps(leaf.identity)


def test_a_verdict_that_comes_back_is_recorded_again_as_the_newest(
    line: ModuleType, tmp_path: Path, ledger: Ledger
) -> None:
    digest = line.train(ledger)
    strict = tuned(line, tmp_path, bundle_scan={"largest_bundle_bytes": 10})
    verdicts = [evaluate_gates(each, digest) for each in (ledger, strict, ledger)]
    assert [each.identity["passed"] for each in verdicts] == [True, False, True]
    newest = ledger.log.latest(Kind.EVALUATION, bundle=digest)
    assert newest is not None
    assert newest.id == verdicts[2].id
    assert newest.identity["supersedes"] == verdicts[1].id


def test_a_changed_byte_in_the_bundle_is_refused(ledger: Ledger, line: ModuleType) -> None:
    digest = line.train(ledger)
    manifest = json.loads(ledger.objects.get(digest))
    damage(ledger, manifest["files"]["model.ubj"]["sha256"])
    leaf = evaluate_gates(ledger, digest)
    assert "bundle_scan" in refused_by(leaf)
    assert "object_corrupt" in verdict(leaf, "bundle_scan")["detail"]
    assert leaf.identity["report"] is None


@pytest.mark.parametrize("limit", ["largest_file_bytes", "largest_bundle_bytes"])
def test_a_bundle_larger_than_the_policy_allows_is_refused(line: ModuleType, tmp_path: Path, limit: str) -> None:
    ledger = tuned(line, tmp_path, bundle_scan={limit: 1000})
    assert refused_by(evaluate_gates(ledger, line.train(ledger))) == ["bundle_scan"]


def test_a_model_that_does_not_clearly_beat_the_linear_baseline_is_refused(ledger: Ledger, line: ModuleType) -> None:
    figures = line.report({"xgboost": 0.623, "logistic_regression": 0.62, "prior_rate": 0.01})
    leaf = evaluate_gates(ledger, line.train(ledger, figures=figures))
    assert refused_by(leaf) == ["beats_baselines"]
    assert "logistic_regression -" in verdict(leaf, "beats_baselines")["detail"]


def test_a_gain_that_the_policy_finds_too_small_is_refused(line: ModuleType, tmp_path: Path) -> None:
    ledger = tuned(line, tmp_path, beats_baselines={"least_gain": 0.5})
    assert refused_by(evaluate_gates(ledger, line.train(ledger))) == ["beats_baselines"]


def test_more_of_a_metric_of_which_less_is_better_is_refused(ledger: Ledger, line: ModuleType) -> None:
    figures = line.report()
    figures["metrics"]["average_precision"]["higher_is_better"] = False
    assert refused_by(evaluate_gates(ledger, line.train(ledger, figures=figures))) == ["beats_baselines"]


def test_one_fold_is_too_few_to_be_sure(ledger: Ledger, line: ModuleType) -> None:
    leaf = evaluate_gates(ledger, line.train(ledger, figures=line.report(folds=1)))
    assert refused_by(leaf) == ["beats_baselines"]


def test_a_report_without_the_figures_is_refused(ledger: Ledger, line: ModuleType) -> None:
    leaf = evaluate_gates(ledger, line.train(ledger, figures={"folds": {}}))
    assert set(refused_by(leaf)) == {"beats_baselines", "no_leak"}


def test_a_leak_that_was_found_is_refused(ledger: Ledger, line: ModuleType) -> None:
    report = line.report()
    report["leak_checks"][2]["passed"] = False
    leaf = evaluate_gates(ledger, line.train(ledger, figures=report))
    assert refused_by(leaf) == ["no_leak"]
    assert report["leak_checks"][2]["check"] in verdict(leaf, "no_leak")["detail"]


def test_a_leak_check_that_was_not_made_is_refused(ledger: Ledger, line: ModuleType) -> None:
    report = line.report()
    del report["leak_checks"][0]
    assert refused_by(evaluate_gates(ledger, line.train(ledger, figures=report))) == ["no_leak"]


def test_features_that_this_code_computes_differently_are_refused(ledger: Ledger, line: ModuleType) -> None:
    leaf = evaluate_gates(ledger, line.train(ledger, fingerprint="f" * 64))
    assert refused_by(leaf) == ["feature_fingerprint"]
    assert "trained on card_spending ffffffffffff" in verdict(leaf, "feature_fingerprint")["detail"]


def test_an_impossible_latency_budget_is_refused(line: ModuleType, tmp_path: Path) -> None:
    ledger = tuned(line, tmp_path, latency={"p99_ms": 0.000001, "rows": 100})
    assert refused_by(evaluate_gates(ledger, line.train(ledger))) == ["latency_budget"]


class TestChampion:
    """A model against the one that serves."""

    @pytest.fixture
    def champion(self, ledger: Ledger, line: ModuleType) -> str:
        digest: str = line.approved_model(ledger, version=1)
        record_deployment(ledger, digest)
        return digest

    def test_the_first_model_has_no_champion_to_meet(self, ledger: Ledger, line: ModuleType) -> None:
        leaf = evaluate_gates(ledger, line.train(ledger))
        assert verdict(leaf, "not_worse_than_champion")["detail"] == "there is no champion yet"

    def test_a_model_worse_than_the_champion_is_refused(self, ledger: Ledger, line: ModuleType, champion: str) -> None:
        worse = line.report(line.GOOD | {"xgboost": 0.68})
        leaf = evaluate_gates(ledger, line.train(ledger, trees=5, version=2, figures=worse))
        assert refused_by(leaf) == ["not_worse_than_champion"]
        assert champion[:12] in verdict(leaf, "not_worse_than_champion")["detail"]

    def test_a_model_within_the_margin_passes(self, ledger: Ledger, line: ModuleType, champion: str) -> None:
        close = line.report(line.GOOD | {"xgboost": 0.695})
        assert refused_by(evaluate_gates(ledger, line.train(ledger, trees=5, version=2, figures=close))) == []

    def test_only_weeks_that_both_were_tested_on_are_compared(
        self, ledger: Ledger, line: ModuleType, champion: str
    ) -> None:
        later = line.report(first=line.AS_OF + timedelta(days=14))
        leaf = evaluate_gates(ledger, line.train(ledger, trees=5, version=2, figures=later))
        assert "2 shared folds" in verdict(leaf, "not_worse_than_champion")["detail"]

    def test_the_champion_judged_again_does_not_meet_itself(
        self, ledger: Ledger, line: ModuleType, champion: str
    ) -> None:
        leaf = evaluate_gates(ledger, champion)
        assert verdict(leaf, "not_worse_than_champion")["detail"] == "there is no champion yet"


class TestReceipts:
    """Every input was validated, accepted, and is kept raw."""

    def _bundle_on(self, ledger: Ledger, line: ModuleType, receipts: list[Parent]) -> str:
        """A bundle whose feature version was built from other receipts than the honest ones."""
        digest: str = line.train(ledger)
        bundle = ledger.log.latest(Kind.MODEL_BUNDLE, digest=digest)
        assert bundle is not None
        honest = ledger.log.get(bundle.detail["feature_version"])
        version = Leaf(Kind.FEATURE_VERSION, {**honest.identity, "built": "elsewhere"})
        labels = [Parent(leaf.id, role) for role, leaf in ledger.log.parents(bundle.detail["training_set"])][1:]
        set_leaf = ledger.log.get(bundle.detail["training_set"])
        other = Leaf(Kind.TRAINING_SET, {**set_leaf.identity, "feature_version": version.id})
        ledger.log.append(version, receipts)
        ledger.log.append(other, [Parent(version.id, "features"), *labels])
        made: str = line.train(ledger, training_set=other.id, threshold=0.6)
        return made

    def _receipt(self, ledger: Ledger, verdict: str, *, parents: bool = True) -> Parent:
        batch = ledger.log.leaves(Kind.LANDED_BATCH)[0]
        leaf = Leaf(Kind.VALIDATION_RECEIPT, {"dataset": "transactions", "batch": "other", "verdict": verdict})
        return Parent(ledger.log.append(leaf, [Parent(batch.id, "batch")] if parents else []), "accepted")

    def test_a_blocked_input_is_refused(self, ledger: Ledger, line: ModuleType) -> None:
        line.train(ledger)
        leaf = evaluate_gates(ledger, self._bundle_on(ledger, line, [self._receipt(ledger, "blocked")]))
        assert refused_by(leaf) == ["data_receipts"]
        assert "says blocked" in verdict(leaf, "data_receipts")["detail"]

    def test_an_input_that_does_not_lead_to_a_raw_file_is_refused(self, ledger: Ledger, line: ModuleType) -> None:
        line.train(ledger)
        receipt = self._receipt(ledger, "accepted", parents=False)
        assert refused_by(evaluate_gates(ledger, self._bundle_on(ledger, line, [receipt]))) == ["data_receipts"]

    def test_an_input_without_a_receipt_is_refused(self, ledger: Ledger, line: ModuleType) -> None:
        line.train(ledger)
        batch = ledger.log.leaves(Kind.LANDED_BATCH)[0]
        leaf = evaluate_gates(ledger, self._bundle_on(ledger, line, [Parent(batch.id, "accepted")]))
        assert refused_by(leaf) == ["data_receipts"]

    def test_features_built_from_nothing_are_refused(self, ledger: Ledger, line: ModuleType) -> None:
        line.train(ledger)
        assert refused_by(evaluate_gates(ledger, self._bundle_on(ledger, line, []))) == ["data_receipts"]


@pytest.mark.parametrize(
    ("gate", "changes"),
    [
        ("beats_baselines", {"baselines": []}),
        ("beats_baselines", {"baselines": ["magic"]}),
        ("beats_baselines", {"metric": "luck"}),
        ("not_worse_than_champion", {"margin": -1}),
        ("latency", {"p99_ms": 0}),
        ("bundle_scan", {"largest_file": 1}),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    line: ModuleType, tmp_path: Path, gate: str, changes: dict[str, Any]
) -> None:
    ledger = tuned(line, tmp_path, **{gate: changes})
    with pytest.raises(GatePolicyInvalid, match=gate):
        gate_policy(ledger.settings.project, "fraud")


def test_a_missing_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GatePolicyInvalid):
        gate_policy(tmp_path, "fraud")
