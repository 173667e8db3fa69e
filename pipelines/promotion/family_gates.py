"""Gates that only some families have: is a price signal more than luck, and was a credit model's fairness measured."""

from typing import Any

from ledgerline.decisions.bundle import Bundle
from pipelines.promotion.candidate import ReportLacks, evaluation_report
from pipelines.promotion.gate_policy import FairnessGate, SignalGate


def signal_problems(bundle: Bundle, policy: SignalGate) -> tuple[list[str], str]:
    """Return what keeps a price model's signal from being believed, and the figures that were looked at.

    Raises:
        ReportLacks: The report does not hold them.
    """
    signal = _section(bundle, "signal")
    try:
        t_over_days, seeds = float(signal["ic_t_days"]), [float(value) for value in signal["ic_seeds"]]
        low, high = map(float, signal["net_return_ci"])
        differences = {name: list(map(float, signal["net_over_baselines_ci"][name])) for name in policy.net_above}
        mean = float(signal["ic_mean"])
    except (KeyError, TypeError, ValueError) as lacking:
        raise ReportLacks(f"the evaluation report's signal lacks figures: {lacking!r}") from lacking
    share = sum(value > 0 for value in seeds) / len(seeds) if seeds else 0.0
    problems = []
    if t_over_days < policy.least_t_over_days:
        problems.append(f"t of the daily information coefficient {t_over_days:.2f} < {policy.least_t_over_days:g}")
    if share < policy.least_share_of_seeds:
        problems.append(f"{share:.0%} of {len(seeds)} seeds above zero < {policy.least_share_of_seeds:.0%}")
    if policy.net_above_zero and low <= 0:
        problems.append("the return after costs may be zero or less")
    problems += [
        f"the return after costs may not exceed {name}'s" for name, (least, _) in differences.items() if least <= 0
    ]
    said = (
        f"information coefficient {mean:+.4f}, t {t_over_days:.2f} over days; return after costs a year "
        f"{low:+.1%} to {high:+.1%} (95 %)"
    )
    return problems, said


def fairness_problem(bundle: Bundle, policy: FairnessGate) -> tuple[str | None, str]:
    """Return what is missing of the figures about protected groups, or None, and the figures.

    Raises:
        ReportLacks: There are none at all.
    """
    fairness = _section(bundle, "fairness")
    try:
        cut_off = float(fairness["cut_off"])
        ratios = {
            f"{group['attribute']} {group['group']}/{group['reference']}": float(group["air"])
            for group in fairness["groups"]
        }
    except (KeyError, TypeError, ValueError) as lacking:
        raise ReportLacks(f"the evaluation report's fairness lacks figures: {lacking!r}") from lacking
    if len(ratios) < policy.least_groups:
        return f"{len(ratios)} groups compared, at least {policy.least_groups} must be", ""
    said = ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items())
    return None, f"adverse impact ratios at cut-off {cut_off:g}: {said}"


def _section(bundle: Bundle, name: str) -> dict[str, Any]:
    section = evaluation_report(bundle).get(name)
    if not isinstance(section, dict):
        raise ReportLacks(f"the evaluation report has no {name}")
    return section
