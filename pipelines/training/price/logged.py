"""What MLflow shows of a price training: parameters, figures by month, the data, pictures and the model itself."""

import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import polars as pl

from ledgerline.decisions.bundle import Bundle
from pipelines.training.price.figures import draw_figures
from pipelines.training.price.procedure import TrainedPriceModel

_DIGEST_LENGTH = 36  # what MLflow's column holds
_EXAMPLE_ROWS = 3


def log_training(
    trained: TrainedPriceModel,
    *,
    frame: pl.DataFrame,
    sha256: str,
    location: str,
    parameters: Mapping[str, Any],
    bundle: Bundle,
) -> str:
    """Log a training to MLflow's active run and return the URI of the logged model.

    Args:
        trained: The model and its evaluation.
        frame: The training set.
        sha256: Its object.
        location: Where that object is.
        parameters: The family's parameters, as in ``params.yaml``.
        bundle: What was made of it; its readable files are shown beside the pictures.
    """
    import mlflow

    mlflow.log_params(_flat(parameters))
    _log_metrics(trained.report)
    _log_dataset(frame, location, sha256)
    importance = trained.report["deployed_model"]["importance"]
    for name, figure in draw_figures(trained.evaluation, importance=importance).items():
        mlflow.log_figure(figure, f"plots/{name}")
    for name, content in _documents(bundle).items():
        mlflow.log_text(content.decode(), f"bundle/{name}")
    return _log_model(trained, frame, bundle.fields.features)


def _log_metrics(report: Mapping[str, Any]) -> None:
    import mlflow

    own = report["model"]
    for number, fold in enumerate(report["folds"]["test"], start=1):
        figures = {
            f"test_{metric}" if model == own else f"test_{metric}_{model}": value
            for model, metrics in fold["metrics"].items()
            for metric, value in metrics.items()
        }
        mlflow.log_metrics(figures, step=number)
    summary = {
        (f"test_{metric}_{figure}" if model == own else f"test_{metric}_{model}_{figure}"): value
        for model, metrics in report["summary"]["test"].items()
        for metric, figures in metrics.items()
        for figure, value in figures.items()
    }
    signal = report["signal"]
    names = ("ic_mean", "ic_t_days", "rank_ic_mean", "rank_ic_t_days", "gross_return", "net_return")
    mlflow.log_metrics(summary | {f"signal_{name}": signal[name] for name in names})
    for number, value in enumerate(signal["ic_seeds"], start=1):
        mlflow.log_metrics({"signal_ic_seed": value}, step=number)
    rules = {name: report["rules"][name] for name in ("total_return", "sharpe", "max_drawdown", "win_rate", "orders")}
    mlflow.log_metrics({f"rules_{name}": value for name, value in rules.items() if value is not None})


def _log_dataset(frame: pl.DataFrame, location: str, sha256: str) -> None:
    import mlflow
    from mlflow.data.polars_dataset import from_polars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a path may be read in two equal ways
        dataset = from_polars(
            frame,
            source=location,
            targets="forward_return",
            name="price training set",
            digest=sha256[:_DIGEST_LENGTH],
        )
    mlflow.log_input(dataset, context="training")


def _log_model(trained: TrainedPriceModel, frame: pl.DataFrame, names: Sequence[str]) -> str:
    import mlflow.lightgbm
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    info = mlflow.lightgbm.log_model(
        trained.booster,
        name="model",
        signature=ModelSignature(
            Schema([ColSpec("double", name, required=False) for name in names]),
            Schema([ColSpec("double", "probability_up")]),
        ),
        input_example=frame.select(pl.col(names).cast(pl.Float64)).tail(_EXAMPLE_ROWS).to_pandas(),
        pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", "lightgbm", "numpy", "pandas")],
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
