"""The forecasting model as MLflow loads it for quants: this file as code, the bundle's ``model.json`` as its artefact.

MLflow runs this file by itself ("models from code"), so nothing is pickled.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from ledgerline.decisions.forecast import ForecastModel, ModelSpec


class LedgerForecast(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined,misc]
    """Forecasts every series of a table of months."""

    def load_context(self, context: Any) -> None:
        """Read the model file."""
        self._model = ForecastModel(ModelSpec.from_bytes(Path(context.artifacts["model"]).read_bytes()))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return ``series, month_ahead, expected`` and the bounds of each interval.

        Args:
            context: MLflow's.
            model_input: ``series``, ``month`` (sorts in time) and ``amount``, a row a month, without gaps.
            params: Not used.
        """
        parts = []
        for name, months in model_input.sort_values("month").groupby("series", sort=True):
            made = self._model.forecast(months["amount"].to_numpy(dtype=np.float64))
            columns = {"series": name, "month_ahead": np.arange(1, made.point.size + 1), "expected": made.point}
            for level, (low, high) in made.bounds.items():
                columns |= {f"low_{level}": low, f"high_{level}": high}
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)


mlflow.models.set_model(LedgerForecast())
