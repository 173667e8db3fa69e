"""What MLflow shows of a forecasting training: parameters, figures by group, the data, pictures and the model."""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ledgerline.decisions.bundle import Bundle
from ledgerline.decisions.forecast.series import Series
from pipelines.training.forecast.figures import draw_figures
from pipelines.training.forecast.procedure import TrainedForecast
from pipelines.training.sealed import SealedTrainingSet

_SERVED = Path(__file__).with_name("served_by_mlflow.py")
_DIGEST_LENGTH = 36  # what MLflow's column holds
_EXAMPLE_SERIES = 2
_EXAMPLE_MONTHS = 36
_LIBRARIES = ("mlflow", "lightgbm", "numpy", "pandas", "polars", "statsforecast")


def log_training(
    trained: TrainedForecast,
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

    mlflow.log_params(_flat(parameters) | {"method": trained.report["model"]})
    _log_metrics(trained.report)
    _log_dataset(dataset, location)
    for name, figure in draw_figures(trained.evaluation, trained.report, trained.spec.half_widths).items():
        mlflow.log_figure(figure, f"plots/{name}")
    for name, content in _documents(bundle).items():
        mlflow.log_text(content.decode(), f"bundle/{name}")
    return _log_model(trained, bundle)


def _log_metrics(report: Mapping[str, Any]) -> None:
    import mlflow

    for number, fold in enumerate(report["folds"]["test"]):
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
    chosen_by = {f"choice_owa_{model}": value for model, value in report["choice"].items()}
    covered = {f"coverage_{level}": share for level, share in report["intervals"]["coverage_on_test"].items()}
    mlflow.log_metrics(summary | chosen_by | covered)
    for seed, value in report["seeds"].get("owa", {}).get("values", {}).items():
        mlflow.log_metric("test_owa_by_seed", value, step=int(seed))


def _metric_name(report: Mapping[str, Any], model: str, metric: str) -> str:
    """Return e.g. ``test_owa`` for the model itself and ``test_owa_naive2`` for another beside it."""
    return f"test_{metric}" if model == report["model"] else f"test_{metric}_{model}"


def _log_dataset(dataset: SealedTrainingSet, location: str) -> None:
    import mlflow
    from mlflow.data.polars_dataset import from_polars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a path may be read in two equal ways
        known = from_polars(
            dataset.frame,
            source=location,
            targets="amount",
            name="forecast training set",
            digest=dataset.sha256[:_DIGEST_LENGTH],
        )
    mlflow.log_input(known, context="training")


def _log_model(trained: TrainedForecast, bundle: Bundle) -> str:
    """Log the bundle's model file, and as its code the file that reads it."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    bounds = [f"{side}_{level}" for level in trained.spec.half_widths for side in ("low", "high")]
    takes = [ColSpec("string", "series"), ColSpec("datetime", "month"), ColSpec("double", "amount")]
    gives = [
        ColSpec("string", "series"),
        ColSpec("long", "month_ahead"),
        *(ColSpec("double", name) for name in ("expected", *bounds)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / bundle.fields.model_file
        file.write_bytes(bundle.model_bytes)
        info = mlflow.pyfunc.log_model(
            python_model=str(_SERVED),
            name="model",
            artifacts={"model": str(file)},
            signature=ModelSignature(Schema(takes), Schema(gives)),
            input_example=_input_example(trained.series),
            pip_requirements=[f"{package}=={version(package)}" for package in _LIBRARIES],
        )
    return str(info.model_uri)


def _input_example(series: Sequence[Series]) -> Any:
    import pandas as pd

    parts = []
    for each in series[:_EXAMPLE_SERIES]:
        amounts = each.values[-_EXAMPLE_MONTHS:]
        last = each.last_month.replace(tzinfo=None)
        months = pd.date_range(end=last, periods=amounts.size, freq="MS")
        parts.append(pd.DataFrame({"series": each.name, "month": months, "amount": amounts}))
    return pd.concat(parts, ignore_index=True)


def _documents(bundle: Bundle) -> dict[str, bytes]:
    readable = {name: content for name, content in bundle.files.items() if name != bundle.fields.model_file}
    return readable | {"manifest.json": bundle.manifest.to_bytes()}


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
