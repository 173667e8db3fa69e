"""What MLflow shows of a credit training: parameters, figures by fold, the data, pictures and the model itself."""

import tempfile
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from ledgerline.decisions.bundle import INPUTS_FILE, Bundle
from pipelines.training.credit.figures import draw_figures
from pipelines.training.credit.procedure import TrainedCreditModel
from pipelines.training.sealed import SealedTrainingSet

_SERVED = Path(__file__).with_name("served_by_mlflow.py")
_DIGEST_LENGTH = 36  # what MLflow's column holds
_EXAMPLE_ROWS = 3
_LIBRARIES = ("mlflow", "xgboost", "numpy", "pandas", "polars")


def log_training(
    trained: TrainedCreditModel,
    *,
    dataset: SealedTrainingSet,
    location: str,
    parameters: Mapping[str, Any],
    bundle: Bundle,
) -> str:
    """Log a training to MLflow's active run and return the URI of the logged model.

    Args:
        trained: The model and its evaluation.
        dataset: What it was trained on.
        location: Where the training set's object is.
        parameters: The family's parameters, as in ``params.yaml``.
        bundle: What was made of it; its readable files are shown beside the pictures.
    """
    import mlflow

    mlflow.log_params(_flat(parameters))
    mlflow.set_tag("portfolio", trained.report["data"]["portfolio"])
    _log_metrics(trained.report)
    _log_dataset(dataset.frame, location, dataset.sha256)
    for name, figure in draw_figures(trained.evaluation, trained.report).items():
        mlflow.log_figure(figure, f"plots/{name}")
    for name, content in _documents(bundle).items():
        mlflow.log_text(content.decode(), f"bundle/{name}")
    return _log_model(trained, dataset.frame, bundle)


def _log_metrics(report: Mapping[str, Any]) -> None:
    import mlflow

    for number, fold in enumerate(report["folds"]["test"], start=1):
        figures = {
            _metric_name(report, model, metric): value
            for model, metrics in fold["metrics"].items()
            for metric, value in metrics.items()
        }
        mlflow.log_metrics(figures, step=number)
    summary = {
        f"{_metric_name(report, model, metric)}_{figure}": value
        for model, metrics in report["summary"]["test"].items()
        for metric, figures in metrics.items()
        for figure, value in figures.items()
    }
    errors = report["calibration"]["expected_calibration_error"]
    summary["calibration_error"] = errors[report["model"]]
    fairness = report["fairness"]
    summary["fairness_cut_off"] = fairness["cut_off"]
    if fairness["groups"]:
        summary["lowest_adverse_impact_ratio"] = min(each["air"] for each in fairness["groups"])
    mlflow.log_metrics(summary)
    for number, value in enumerate(report["seeds"]["auc"], start=1):
        mlflow.log_metric("test_auc_by_seed", value, step=number)


def _metric_name(report: Mapping[str, Any], model: str, metric: str) -> str:
    """Return e.g. ``test_auc`` for the model itself and ``test_auc_prior_rate`` for another beside it."""
    return f"test_{metric}" if model == report["model"] else f"test_{metric}_{model}"


def _log_dataset(frame: pl.DataFrame, location: str, sha256: str) -> None:
    import mlflow
    from mlflow.data.polars_dataset import from_polars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a path may be read in two equal ways
        dataset = from_polars(
            frame, source=location, targets="defaulted", name="credit training set", digest=sha256[:_DIGEST_LENGTH]
        )
    mlflow.log_input(dataset, context="training")


def _log_model(trained: TrainedCreditModel, frame: pl.DataFrame, bundle: Bundle) -> str:
    """Log the bundle's model and inputs, and as their code the file that reads them."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    encoding = trained.takes.encoding
    takes: list[ColSpec | TensorSpec] = [
        ColSpec("string" if name in encoding.categorical else "double", name, required=False)
        for name in encoding.inputs
    ]
    with tempfile.TemporaryDirectory() as folder:
        artifacts = {}
        for role, name in (("model", bundle.fields.model_file), ("inputs", INPUTS_FILE)):
            file = Path(folder) / name
            file.write_bytes(bundle.files[name])
            artifacts[role] = str(file)
        info = mlflow.pyfunc.log_model(
            python_model=str(_SERVED),
            name="model",
            artifacts=artifacts,
            signature=ModelSignature(
                Schema(takes), Schema([ColSpec("double", "probability"), ColSpec("long", "score")])
            ),
            input_example=frame.select(encoding.inputs).tail(_EXAMPLE_ROWS).to_pandas(),
            pip_requirements=[f"{package}=={version(package)}" for package in _LIBRARIES],
        )
    return str(info.model_uri)


def _documents(bundle: Bundle) -> dict[str, bytes]:
    readable = {name: content for name, content in bundle.files.items() if name != bundle.fields.model_file}
    return readable | {"manifest.json": bundle.manifest.to_bytes()}


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
