"""What MLflow shows of a fraud training: parameters, figures by fold, the data, pictures and the model itself."""

import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import polars as pl

from ledgerline.decisions.bundle import Bundle
from pipelines.training.fraud.figures import draw_figures, interactive_page
from pipelines.training.fraud.fit import ModelName
from pipelines.training.fraud.metrics import Metric
from pipelines.training.fraud.procedure import TrainedFraudModel
from pipelines.training.sealed import SealedTrainingSet
from pipelines.training.splits import FoldRole

_DIGEST_LENGTH = 36  # what MLflow's column holds
_EXAMPLE_ROWS = 3


def log_training(
    trained: TrainedFraudModel,
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
    _log_metrics(trained)
    _log_dataset(dataset.frame, location, dataset.sha256)
    results, threshold = trained.evaluation.results[FoldRole.TEST], trained.threshold
    importance = trained.report["deployed_model"]["importance"]
    for name, figure in draw_figures(results, threshold=threshold, importance=importance).items():
        mlflow.log_figure(figure, f"plots/{name}")
    mlflow.log_text(interactive_page(results, threshold=threshold), "plots/precision_recall.html")
    for name, content in _documents(bundle).items():
        mlflow.log_text(content.decode(), f"bundle/{name}")
    return _log_model(trained, dataset.frame, dataset.manifest.features)


def _log_metrics(trained: TrainedFraudModel) -> None:
    import mlflow

    for role in (FoldRole.VALIDATION, FoldRole.TEST):
        for result in trained.evaluation.results[role]:
            figures = {
                _metric_name(role, model, metric): value
                for model, metrics in result.metrics.items()
                for metric, value in metrics.items()
            }
            mlflow.log_metrics(figures, step=result.fold.number)
    mlflow.log_metrics(
        {
            f"{_metric_name(FoldRole.TEST, model, metric)}_{figure}": trained.report["summary"]["test"][model][metric][
                figure
            ]
            for model in ModelName
            for metric in Metric
            for figure in ("mean", "std")
        }
    )
    alerts = trained.report["threshold"]["test"]
    mlflow.log_metrics(
        {f"alert_{name}": value for name, value in alerts.items() if value is not None}
        | {"threshold": trained.threshold}
    )


def _log_dataset(frame: pl.DataFrame, location: str, sha256: str) -> None:
    import mlflow
    from mlflow.data.polars_dataset import from_polars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a path may be read in two equal ways
        dataset = from_polars(
            frame, source=location, targets="is_fraud", name="fraud training set", digest=sha256[:_DIGEST_LENGTH]
        )
    mlflow.log_input(dataset, context="training")


def _log_model(trained: TrainedFraudModel, frame: pl.DataFrame, names: Sequence[str]) -> str:
    import mlflow.xgboost
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    info = mlflow.xgboost.log_model(
        trained.booster,
        name="model",
        signature=ModelSignature(
            Schema([ColSpec("double", name) for name in names]), Schema([ColSpec("float", "probability")])
        ),
        input_example=frame.select(pl.col(names).cast(pl.Float64)).head(_EXAMPLE_ROWS).to_pandas(),
        pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", "xgboost", "numpy", "pandas")],
        model_format="ubj",
    )
    return str(info.model_uri)


def _documents(bundle: Bundle) -> dict[str, bytes]:
    readable = {name: content for name, content in bundle.files.items() if name != bundle.fields.model_file}
    return readable | {"manifest.json": bundle.manifest.to_bytes()}


def _metric_name(role: FoldRole, model: ModelName, metric: Metric) -> str:
    """Return e.g. ``test_auc`` for the model itself and ``test_auc_prior_rate`` for a baseline beside it."""
    return f"{role}_{metric}" if model is ModelName.XGBOOST else f"{role}_{metric}_{model}"


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
