import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.training import TrainingRefused
from pipelines.training.research import run_experiment, write_training_set
from pipelines.training.sealed import decode_training_set


@pytest.fixture
def workspace(trained: Any, project: Path, tmp_path: Path) -> Path:
    """A clone of the data workspace as DVC sees it: sealed features, accepted labels and parameters."""
    shutil.copytree(trained.ledger.settings.workspace_path, tmp_path, dirs_exist_ok=True)
    shutil.copy(project / "params.yaml", tmp_path)
    return tmp_path


def test_research_training_set_is_the_recorded_one_byte_for_byte(trained: Any, workspace: Path):
    leaf = trained.ledger.log.get(trained.ledger.log.get(trained.result.run).identity["training_set"])
    assert write_training_set(workspace).read_bytes() == trained.ledger.objects.get(leaf.identity["sha256"])


def test_experiment_measures_the_validation_folds_as_training_does(trained: Any, workspace: Path):
    write_training_set(workspace)
    metrics = run_experiment(workspace)

    written = json.loads((workspace / "data/research/fraud/metrics.json").read_text())
    summary = trained.result.report["summary"]["validation"]
    assert written == metrics
    assert metrics["folds"] == 4
    for model in ("xgboost", "logistic_regression"):
        for metric in ("auc", "average_precision", "card_precision"):
            assert metrics["validation"][model][metric] == pytest.approx(summary[model][metric]["mean"], abs=2e-6)
            assert metrics["validation"][model][f"{metric}_std"] == pytest.approx(
                summary[model][metric]["std"], abs=2e-6
            )


def test_experiment_does_not_depend_on_a_single_row_of_the_test_weeks(trained: Any, workspace: Path):
    """With every row from the first test week on removed the figures stay the same."""
    path = write_training_set(workspace)
    metrics = run_experiment(workspace)
    frame, _ = decode_training_set(path.read_bytes())
    first_test_day = trained.result.report["folds"]["test"][0]["test_start"]
    before = frame.filter(
        pl.col("event_time") < pl.lit(first_test_day).str.to_datetime(time_unit="us", time_zone="UTC")
    )
    assert 0 < before.height < frame.height
    before.write_parquet(path, metadata={"ledgerline.as_of": trained.result.report["data"]["as_of"]})

    assert run_experiment(workspace) == metrics


def test_curve_falls_in_recall_and_stays_small(workspace: Path):
    write_training_set(workspace)
    run_experiment(workspace)

    points = json.loads((workspace / "data/research/fraud/pr_curve.json").read_text())["precision_recall"]
    recalls = [point["recall"] for point in points]
    assert recalls == sorted(recalls, reverse=True)
    assert (recalls[0], recalls[-1]) == (1.0, 0.0)
    assert 10 < len(points) <= 200


def test_changed_partition_is_refused_by_name(workspace: Path):
    partition = sorted((workspace / "data/features/card_spending").glob("*.parquet"))[3]
    pl.read_parquet(partition).with_columns(amount=pl.col("amount") * 2).write_parquet(partition)
    with pytest.raises(TrainingRefused, match=partition.name):
        write_training_set(workspace)


def test_missing_labels_are_refused(workspace: Path):
    shutil.rmtree(workspace / "data/accepted/fraud_labels")
    with pytest.raises(TrainingRefused, match="fraud_labels"):
        write_training_set(workspace)


def test_experiment_without_a_training_set_says_which_stage_to_run(workspace: Path):
    with pytest.raises(TrainingRefused, match="training-set stage"):
        run_experiment(workspace)
