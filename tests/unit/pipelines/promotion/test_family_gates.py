"""Gates that only some families have, and the words that a policy may use."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ledgerline.core.identity import canonical_json
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.decisions.bundle import Bundle, ManifestFields, ModelFormat
from ledgerline.decisions.bundle.manifest import Manifest
from pipelines.promotion.candidate import ReportLacks
from pipelines.promotion.family_gates import fairness_problem, signal_problems
from pipelines.promotion.gate_policy import FairnessGate, GatePolicyInvalid, SignalGate, gate_policy
from pipelines.training.family import FAMILIES

SIGNAL = {
    "ic_mean": 0.03,
    "ic_t_days": 4.0,
    "ic_seeds": [0.03, 0.02, 0.04],
    "net_return_ci": [0.02, 0.2],
    "net_over_baselines_ci": {"momentum": [0.01, 0.1], "logistic_regression": [0.005, 0.1]},
}
POLICY = SignalGate(
    least_t_over_days=3.0,
    least_share_of_seeds=1.0,
    net_above_zero=True,
    net_above=("momentum", "logistic_regression"),
)
FAIRNESS = {"cut_off": 0.2, "groups": [{"attribute": "sex", "group": "f", "reference": "m", "air": 0.93, "n": 900}]}


def reporting(**sections: Any) -> Bundle:
    fields = ManifestFields("price", "equity_daily", "a", ("x",), None, ModelFormat.LIGHTGBM_TEXT, "b", "c")
    return Bundle("d" * 64, Manifest(fields, {}), {"evaluation.json": canonical_json(sections)})


def test_clear_signal_has_no_problem_and_its_figures_are_said():
    problems, said = signal_problems(reporting(signal=SIGNAL), POLICY)
    assert problems == []
    assert "t 4.00" in said


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"ic_t_days": 2.9}, "t of the daily information coefficient 2.90 < 3"),
        ({"ic_seeds": [0.03, -0.001, 0.04]}, "67% of 3 seeds above zero"),
        ({"ic_seeds": []}, "0% of 0 seeds above zero"),
        ({"net_return_ci": [-0.01, 0.2]}, "may be zero or less"),
        ({"net_return_ci": [0.0, 0.2]}, "may be zero or less"),
        (
            {"net_over_baselines_ci": {"momentum": [-0.1, 0.1], "logistic_regression": [0.1, 0.2]}},
            "may not exceed momentum's",
        ),
    ],
)
def test_signal_that_may_be_luck_or_is_eaten_by_costs_is_a_problem(change: dict[str, Any], problem: str):
    problems, _ = signal_problems(reporting(signal=SIGNAL | change), POLICY)
    assert len(problems) == 1
    assert problem in problems[0]


def test_figure_that_is_no_number_is_no_clear_signal():
    problems, _ = signal_problems(reporting(signal=SIGNAL | {"ic_seeds": ["nan"]}), POLICY)
    assert problems != []


@pytest.mark.parametrize("section", [{}, {"signal": None}, {"signal": {"ic_mean": 0.1}}])
def test_report_without_the_signals_figures_is_refused(section: dict[str, Any]):
    with pytest.raises(ReportLacks):
        signal_problems(reporting(**section), POLICY)


def test_reported_fairness_passes_whatever_it_says_and_is_said_with_its_cut_off():
    problem, said = fairness_problem(reporting(fairness=FAIRNESS), FairnessGate(least_groups=1))
    assert problem is None
    assert said == "adverse impact ratios at cut-off 0.2: sex f/m 0.930"


@pytest.mark.parametrize(
    "fairness",
    [None, {}, {"groups": FAIRNESS["groups"]}, {"cut_off": 0.2}, {"cut_off": 0.2, "groups": [{"attribute": "sex"}]}],
)
def test_unreported_fairness_is_refused(fairness: Any):
    with pytest.raises(ReportLacks):
        fairness_problem(reporting(fairness=fairness), FairnessGate(least_groups=1))


def test_too_few_groups_are_refused():
    problem, _ = fairness_problem(reporting(fairness=FAIRNESS), FairnessGate(least_groups=2))
    assert problem == "1 groups compared, at least 2 must be"


@pytest.mark.parametrize("family", FAMILIES)
def test_committed_policy_of_every_family_can_be_read(family: str):
    policy = gate_policy(PROJECT_ROOT, family)
    assert (policy.significant_signal is not None) is (family == "price")
    assert (policy.fairness_reported is not None) is (family == "credit")


@pytest.mark.parametrize(
    ("family", "gate", "change"),
    [
        ("forecast", "beats_baselines", {"metric": "average_precision"}),
        ("forecast", "beats_baselines", {"baselines": ["prior_rate"]}),
        ("price", "significant_signal", {"net_above": ["naive2"]}),
        ("price", "significant_signal", {"least_t_over_days": -1}),
        ("credit", "fairness_reported", {"least_groups": 0}),
    ],
)
def test_policy_in_another_familys_words_is_refused(tmp_path: Path, family: str, gate: str, change: dict[str, Any]):
    policies = yaml.safe_load((PROJECT_ROOT / "policies" / "gates.yaml").read_text())
    policies[family][gate] |= change
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "gates.yaml").write_text(yaml.safe_dump(policies))
    with pytest.raises(GatePolicyInvalid, match=gate):
        gate_policy(tmp_path, family)
