"""The research loop's two stages, for ``dvc repro`` and ``dvc exp run`` inside a clone of the data workspace.

``python -m pipelines.training.research training-set`` joins the sealed features to their labels;
``python -m pipelines.training.research experiment`` fits with the ``params.yaml`` beside it and measures on the
validation folds. The test weeks stay unseen: what is tried here is chosen by validation, and training reports the test.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from feature_store.versions.manifest import Manifest, manifest_path
from ledgerline.core.storage import write_atomically
from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.dataset import feature_names, join_labels
from pipelines.training.fraud.evaluate import Evaluation, evaluate
from pipelines.training.fraud.fit import ModelName
from pipelines.training.fraud.metrics import Metric
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.inputs import checked_file, inputs_of, read_rows
from pipelines.training.parameters import family_parameters
from pipelines.training.sealed import decode_training_set, encode_training_set
from pipelines.training.splits import FoldRole
from pipelines.training.statistics import spread

VIEW = "card_spending"
RESEARCH = Path("data/research/fraud")
TRAINING_SET = RESEARCH / "training_set.parquet"
METRICS = RESEARCH / "metrics.json"
PRECISION_RECALL = RESEARCH / "pr_curve.json"
_CURVE_POINTS = 200
_DIGITS = 6


def write_training_set(workspace: Path) -> Path:
    """Join the workspace's sealed features to the labels that they were built with, and return the file written.

    Raises:
        TrainingRefused: A file that the features' manifest names is missing or was changed.
    """
    manifest = Manifest.from_bytes((workspace / manifest_path(VIEW)).read_bytes())
    partitions = [checked_file(workspace / part.path, part.sha256) for part in manifest.partitions]
    features = pl.concat([pl.read_parquet(path) for path in partitions])
    files = [checked_file(workspace / file.path, file.sha256) for file in inputs_of(manifest, "fraud_labels")]
    labels = read_rows(files, ("transaction_id", "is_fraud", "available_at"), what="labels")
    frame = join_labels(features, labels, as_of=manifest.as_of, names=manifest.features)
    write_atomically(workspace / TRAINING_SET, encode_training_set(frame, as_of=manifest.as_of))
    return workspace / TRAINING_SET


def run_experiment(workspace: Path) -> dict[str, Any]:
    """Fit on the validation folds with the workspace's ``params.yaml``; write and return the metrics.

    Writes ``metrics.json`` (mean and std of every metric for the model and its baselines) and ``pr_curve.json`` (the
    model's precision and recall over all validation payments, at most 200 points).

    Raises:
        TrainingRefused: No training set, wrong parameters, or data that fill no validation fold.
    """
    path = workspace / TRAINING_SET
    if not path.is_file():
        raise TrainingRefused(f"{path} is missing; run the training-set stage first")
    frame, as_of = decode_training_set(path.read_bytes())
    parameters = FraudParameters.checked(family_parameters(workspace, "fraud"))
    names = feature_names(frame)
    evaluation = evaluate(
        frame, as_of=as_of, parameters=parameters, names=names, roles=(FoldRole.VALIDATION,), progress=_say
    )
    metrics = _metrics(evaluation)
    write_atomically(workspace / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    curve = json.dumps({"precision_recall": _curve(evaluation)}, indent=2) + "\n"
    write_atomically(workspace / PRECISION_RECALL, curve.encode())
    return metrics


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage in the current directory."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.training.research", description=__doc__)
    parser.add_argument("stage", choices=("training-set", "experiment"))
    if parser.parse_args(arguments).stage == "training-set":
        _say(f"wrote {write_training_set(Path())}")
    else:
        _say(json.dumps(run_experiment(Path())["validation"]["xgboost"]))


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    results = evaluation.results[FoldRole.VALIDATION]
    figures: dict[str, Any] = {}
    for model in ModelName:
        figures[model.value] = {}
        for metric in Metric:
            found = spread([result.metrics[model][metric] for result in results])
            figures[model.value][metric.value] = round(found.mean, _DIGITS)
            figures[model.value][f"{metric.value}_std"] = round(found.std, _DIGITS)
    return {"validation": figures, "folds": len(results), "folds_left_out": dict(evaluation.left_out)}


def _curve(evaluation: Evaluation) -> list[dict[str, float]]:
    from sklearn.metrics import precision_recall_curve

    results = evaluation.results[FoldRole.VALIDATION]
    fraud = np.concatenate([result.test.is_fraud for result in results])
    scores = np.concatenate([result.scores[ModelName.XGBOOST] for result in results])
    precision, recall, _ = precision_recall_curve(fraud, scores)
    # Equal steps of recall: most thresholds crowd where recall is one.
    steps = np.unique(np.searchsorted(-recall, -np.linspace(1, 0, _CURVE_POINTS), side="right").clip(1) - 1)
    return [
        {"recall": round(float(recall[step]), _DIGITS), "precision": round(float(precision[step]), _DIGITS)}
        for step in steps
    ]


def _say(message: str) -> None:
    print(message, flush=True)  # noqa: T201 (a stage speaks to whoever runs dvc)


if __name__ == "__main__":
    main()
