"""What a forecasting model is said to be able to do: the bundle's ``evaluation.json``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from ledgerline.core.clock import instant_text
from ledgerline.core.identity import canonical_json
from ledgerline.decisions.forecast.model import FAMILY, ModelSpec, describe
from pipelines.training.forecast.evaluate import Baseline, Evaluation, Method
from pipelines.training.statistics import spread

_DIGITS = 6
METRICS = ("owa", "smape", "mase")
LIMITS = (
    "All series are forecast from one origin each: the groups that are compared share it, so their spread speaks of "
    "series, not of times.",
    "Intervals follow the errors of the months before the test; their coverage on the test is measured, not promised.",
    "Without Naive2's errors as a yardstick OWA of different data cannot be compared.",
)
DIFFERENT_CALENDARS = (
    "The series end in different months. Each is tested on months after its own origin, but a global model has learnt "
    "from other series' months that lie later in the calendar."
)


def build_report(
    evaluation: Evaluation,
    *,
    spec: ModelSpec,
    as_of: datetime,
    coverage: Mapping[str, float],
    importance: Mapping[str, float],
    leak_checks: Sequence[Mapping[str, Any]],
    series: int,
) -> dict[str, Any]:
    """Return the evaluation report as JSON values."""
    parameters = evaluation.parameters
    models = [evaluation.chosen.value, *Baseline, *(method for method in Method if method is not evaluation.chosen)]
    folds = [_fold(evaluation, group, models) for group in np.unique(evaluation.groups)]
    report = {
        "family": FAMILY,
        "model": evaluation.chosen.value,
        "baselines": [baseline.value for baseline in Baseline],
        "metrics": {metric: {"higher_is_better": False} for metric in METRICS},
        "primary_metric": "owa",
        "out_of_time": True,
        "protocol": {
            "horizon": parameters.horizon,
            "test": f"the last {parameters.horizon} months of every series",
            "chosen_on": f"the {parameters.horizon} months before them",
            "groups": parameters.groups,
        },
        "folds": {"test": folds},
        "summary": {"test": {str(model): _summary(evaluation, folds, str(model)) for model in models}},
        "choice": {str(name): value for name, value in evaluation.validation.items()},
        "seeds": _seeds(evaluation),
        "intervals": {"coverage_on_test": dict(coverage)},
        "leak_checks": list(leak_checks),
        "limits": [*LIMITS, *(() if evaluation.one_calendar else (DIFFERENT_CALENDARS,))],
        "data": {
            "as_of": instant_text(as_of),
            "series": series,
            "measured": len(evaluation.names),
            "too_short_to_measure": evaluation.too_short,
        },
        "deployed_model": {
            "model": evaluation.chosen.value,
            "members": describe(spec),
            "parameters": parameters.model.model_dump(mode="json"),
            "importance": dict(importance),
        },
    }
    return rounded(report)


def encode_report(report: Mapping[str, Any]) -> bytes:
    """Encode a report as canonical JSON."""
    return canonical_json(dict(report))


def rounded(value: Any) -> Any:
    """Return JSON values with floats of six digits: what is behind them is noise, and must not change a hash."""
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {str(name): rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def _fold(evaluation: Evaluation, group: int, models: Sequence[str]) -> dict[str, Any]:
    members = evaluation.groups == group
    return {
        "fold": f"group {int(group)}",
        "series": int(members.sum()),
        "metrics": {
            str(model): {
                "owa": float(evaluation.parts[model][members].mean()),
                "smape": float(evaluation.errors[model].smape[members].mean()),
                "mase": float(evaluation.errors[model].mase[members].mean()),
            }
            for model in models
        },
    }


def _summary(evaluation: Evaluation, folds: Sequence[Mapping[str, Any]], model: str) -> dict[str, dict[str, float]]:
    """Return each metric over all series, and its spread over the groups."""
    over_all = {
        "owa": float(evaluation.parts[model].mean()),
        "smape": float(evaluation.errors[model].smape.mean()),
        "mase": float(evaluation.errors[model].mase.mean()),
    }
    return {
        metric: {"mean": over_all[metric], "std": spread([fold["metrics"][model][metric] for fold in folds]).std}
        for metric in METRICS
    }


def _seeds(evaluation: Evaluation) -> dict[str, Any]:
    if not evaluation.seeds:
        return {}
    found = spread(list(evaluation.seeds.values()))
    values = {str(seed): value for seed, value in evaluation.seeds.items()}
    return {"owa": {"mean": found.mean, "std": found.std, "values": values}}
