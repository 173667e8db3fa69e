from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ledgerline.audit import Kind
from ledgerline.decisions.bundle import load_bundle
from ledgerline.decisions.fraud import FraudModel
from pipelines.training.sealed import decode_training_set
from pipelines.training.tracking import tracking_server


@pytest.fixture(scope="module")
def client(trained: Any) -> Any:
    with tracking_server(trained.ledger.settings) as found:
        yield found


@pytest.fixture(scope="module")
def run(client: Any) -> Any:
    [found] = client.search_runs([client.get_experiment_by_name("fraud").experiment_id])
    return found


def test_training_is_one_finished_run_that_names_its_evidence(trained: Any, run: Any):
    tags = run.data.tags
    assert run.info.status == "FINISHED"
    assert tags["ledgerline.training_run"] == trained.result.run
    assert tags["ledgerline.bundle"] == trained.result.bundle
    assert tags["ledgerline.feature_version"] == trained.version
    assert tags["ledgerline.dag_run"] == "manual__1"
    leaf = trained.ledger.log.get(trained.result.run)
    assert tags["ledgerline.training_set"] == leaf.identity["training_set"]
    assert tags["ledgerline.code"] == leaf.identity["code"]
    assert leaf.detail["mlflow_run_id"] == run.info.run_id


def test_run_shows_every_folds_figure_as_a_step(trained: Any, client: Any, run: Any):
    for metric in ("auc", "average_precision", "card_precision"):
        history = sorted(client.get_metric_history(run.info.run_id, f"test_{metric}"), key=lambda entry: entry.step)
        expected = [fold["metrics"]["xgboost"][metric] for fold in trained.result.report["folds"]["test"]]
        assert [entry.step for entry in history] == [1, 2, 3, 4]
        assert [entry.value for entry in history] == pytest.approx(expected, abs=1e-6)
    assert run.data.metrics["test_average_precision_mean"] == pytest.approx(
        trained.result.report["summary"]["test"]["xgboost"]["average_precision"]["mean"]
    )
    assert run.data.params["model.max_depth"] == "3"


def test_run_names_its_data_by_our_hash(trained: Any, run: Any):
    [entry] = run.inputs.dataset_inputs
    training_set = trained.ledger.log.get(trained.result.run).identity["training_set"]
    sha256 = trained.ledger.log.get(training_set).identity["sha256"]
    assert sha256.startswith(entry.dataset.digest)
    assert len(entry.dataset.digest) == 36


def test_run_holds_pictures_an_interactive_page_and_the_bundles_documents(trained: Any, client: Any, run: Any):
    plots = {entry.path: entry.file_size for entry in client.list_artifacts(run.info.run_id, "plots")}
    assert set(plots) == {
        f"plots/{name}"
        for name in (
            "precision_recall.png",
            "precision_recall.html",
            "roc.png",
            "score_histogram.png",
            "calibration.png",
            "contributions.png",
            "fold_metrics.png",
        )
    }
    assert min(plots.values()) > 5_000
    page = Path(client.download_artifacts(run.info.run_id, "plots/precision_recall.html")).read_text()
    assert "cdn.plot.ly" not in page.split("<body>")[1][:2_000]  # readable with no network
    card = Path(client.download_artifacts(run.info.run_id, "bundle/card.md")).read_bytes()
    assert card == load_bundle(trained.ledger.objects, trained.result.bundle).files["card.md"]
    manifest = Path(client.download_artifacts(run.info.run_id, "bundle/manifest.json")).read_bytes()
    assert manifest == trained.ledger.objects.get(trained.result.bundle)


def test_model_is_registered_as_challenger_with_the_bundles_digest(trained: Any, client: Any):
    version = client.get_model_version_by_alias("fraud", "challenger")
    assert int(version.version) == trained.result.model_version == 1
    assert version.tags["ledgerline.bundle"] == trained.result.bundle


def test_registered_model_loaded_by_mlflow_gives_the_bundles_scores(trained: Any, client: Any):
    import mlflow

    leaf = trained.ledger.log.latest(Kind.TRAINING_SET)
    frame, _ = decode_training_set(trained.ledger.objects.get(leaf.identity["sha256"]))
    model = FraudModel.load(load_bundle(trained.ledger.objects, trained.result.bundle))
    rows = frame.select(pl.col(model.features).cast(pl.Float64)).head(500)

    loaded = mlflow.pyfunc.load_model("models:/fraud@challenger")

    np.testing.assert_array_equal(loaded.predict(rows.to_pandas()).astype(float), model.score_frame(rows))
    assert {str(column.type) for column in loaded.metadata.signature.inputs} == {"DataType.double"}


def test_artifacts_lie_in_the_installations_home(trained: Any, client: Any):
    experiment = client.get_experiment_by_name("fraud")
    assert experiment.artifact_location == trained.ledger.settings.mlflow_artifacts.resolve().as_uri()
