"""The forecast family through the shared training: evidence, bundle, gates, MLflow."""

import json
from typing import Any

import numpy as np
import pytest

from ledgerline.audit import Kind
from ledgerline.decisions.bundle import ModelFormat, load_bundle
from ledgerline.decisions.models import load_model
from pipelines.training import train
from pipelines.training.run import make_model, training_order
from pipelines.training.sealed import decode_training_set
from pipelines.training.tracking import tracking_server

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC


def test_line_leads_from_the_bundle_to_the_books_file(trained: Any):
    ledger, result = trained
    log = ledger.log
    kinds, leaf = [], log.latest(Kind.MODEL_BUNDLE, digest=result.bundle)
    while leaf is not None:
        kinds.append(leaf.kind)
        leaf = next((parent for _, parent in log.parents(leaf.id)), None)

    assert kinds == [
        Kind.MODEL_BUNDLE,
        Kind.TRAINING_RUN,
        Kind.TRAINING_SET,
        Kind.FEATURE_VERSION,
        Kind.VALIDATION_RECEIPT,
        Kind.LANDED_BATCH,
        Kind.RAW_FILE,
    ]


def test_training_set_keeps_corrected_months_beside_the_first_figures(trained: Any):
    ledger, _ = trained
    leaf = ledger.log.latest(Kind.TRAINING_SET, family="forecast")
    frame, as_of = decode_training_set(ledger.objects.get(leaf.identity["sha256"]))

    assert frame.height == leaf.identity["rows"]
    assert frame.select("entity_id", "event_time").is_duplicated().sum() == 2
    assert frame["available_at"].max() <= as_of
    [receipt] = leaf.identity["labels"]
    assert ledger.log.get(receipt).identity["dataset"] == "ledger"


def test_training_again_computes_nothing(trained: Any):
    ledger, result = trained

    again = train(ledger, "forecast")

    assert (again.run, again.bundle, again.reused) == (result.run, result.bundle, True)
    assert again.report == json.loads(json.dumps(result.report))


def test_same_training_gives_the_same_bundle_to_the_last_bit(trained: Any):
    ledger, result = trained

    assert make_model(ledger, training_order(ledger, "forecast", None), lambda _: None).bundle.digest == result.bundle


def test_bundle_is_data_that_the_live_code_reads(trained: Any):
    ledger, result = trained
    bundle = load_bundle(ledger.objects, result.bundle)

    forecast = load_model(bundle).forecast(np.arange(1.0, 61.0))

    assert bundle.fields.model_format is ModelFormat.FORECAST_JSON
    assert bundle.fields.threshold is None
    assert sorted(bundle.files) == ["card.md", "evaluation.json", "model.json"]
    assert forecast.point.shape == (12,)
    assert list(forecast.bounds) == ["0.8", "0.95"]


def test_gates_let_a_model_through_that_beats_every_baseline(deployed: Any):
    assert [name for name, (passed, _) in deployed.verdicts.items() if not passed] == []
    assert "significant_signal" not in deployed.verdicts
    assert "fairness_reported" not in deployed.verdicts
    assert "single series" in deployed.verdicts["latency_budget"][1]


def test_mlflow_holds_figures_pictures_and_the_registered_version(trained: Any):
    ledger, result = trained
    with tracking_server(ledger.settings) as client:
        version = client.get_model_version("forecast", str(result.model_version))
        run = client.get_run(version.run_id)
        pictures = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "plots")}
        folds = client.get_metric_history(run.info.run_id, "test_owa")

    assert run.info.status == "FINISHED"
    assert run.data.params["model.trees"] == "60"
    own = result.report["model"]
    assert run.data.metrics["test_owa_mean"] == result.report["summary"]["test"][own]["owa"]["mean"]
    assert run.data.metrics["test_owa_naive2_mean"] == pytest.approx(1.0)
    assert [each.value for each in folds] == [fold["metrics"][own]["owa"] for fold in result.report["folds"]["test"]]
    assert pictures == {f"plots/{name}.png" for name in ("accuracy", "error_by_month_ahead", "examples", "importance")}


def test_model_loaded_from_mlflow_forecasts_as_the_bundle_does(trained: Any):
    import mlflow.pyfunc
    from mlflow.models import Model

    ledger, result = trained
    with tracking_server(ledger.settings):
        uri = f"models:/forecast/{result.model_version}"
        model = mlflow.pyfunc.load_model(uri)
        example = Model.load(uri).load_input_example(uri)
        answer = model.predict(example)

    first = example[example["series"] == example["series"].iloc[0]]
    expected = load_model(load_bundle(ledger.objects, result.bundle)).forecast(first["amount"].to_numpy(float))
    own = answer[answer["series"] == first["series"].iloc[0]]
    np.testing.assert_array_equal(own["expected"], expected.point)
    np.testing.assert_array_equal(own["low_0.8"], expected.bounds["0.8"][0])
    assert list(own["month_ahead"]) == list(range(1, 13))
