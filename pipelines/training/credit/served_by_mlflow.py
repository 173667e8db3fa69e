"""The credit model as MLflow loads it for quants: this file as code, the bundle's model and inputs as its artefacts.

MLflow runs this file by itself ("models from code"), so nothing is pickled.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import polars as pl
import xgboost

from ledgerline.decisions.credit import CreditInputs


class CreditProbability(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined,misc]
    """Gives every application its probability of default and its score."""

    def load_context(self, context: Any) -> None:
        """Read the model and what it takes."""
        self._takes = CreditInputs.from_bytes(Path(context.artifacts["inputs"]).read_bytes())
        self._booster = xgboost.Booster(model_file=context.artifacts["model"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return ``probability`` (of default, calibrated) and ``score``.

        Args:
            context: MLflow's.
            model_input: A row an application: the features of the view ``credit_application`` that the model takes.
            params: Not used.
        """
        encoding = self._takes.encoding
        frame = pl.DataFrame(
            {
                name: pl.Series(
                    [None if pd.isna(value) else value for value in model_input[name]],
                    dtype=pl.String if name in encoding.categorical else pl.Float64,
                )
                for name in encoding.inputs
            }
        )
        raw = self._booster.inplace_predict(encoding.matrix(frame))
        probabilities = [self._takes.calibration.probability(value) for value in raw.tolist()]
        scores = [self._takes.scorecard.score(value) for value in probabilities]
        return pd.DataFrame({"probability": probabilities, "score": scores})


mlflow.models.set_model(CreditProbability())
