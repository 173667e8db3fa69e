"""Predict and explain with XGBoost's native booster, read from the bundle's bytes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledgerline.decisions.bundle.manifest import ModelFormat
from ledgerline.decisions.bundle.refusal import BundleRefused, RefusalReason
from ledgerline.decisions.bundle.store import Bundle


class BoosterModel:
    """A gradient-boosted tree model that answers one row and many rows with equal numbers.

    Args:
        bundle: A loaded bundle of format ``xgboost_ubj``.

    Raises:
        BundleRefused: The model cannot be read, or its inputs are not the manifest's features in their order.
    """

    def __init__(self, bundle: Bundle) -> None:
        if bundle.fields.model_format is not ModelFormat.XGBOOST_UBJ:
            raise BundleRefused(RefusalReason.FORMAT_UNKNOWN, f"{bundle.fields.model_format} is no booster")
        self.features = bundle.fields.features
        self._booster = _booster(bundle)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return probabilities, shape (n,), for rows of shape (n, features). Safe to call from several threads."""
        probabilities: NDArray[np.float32] = self._booster.inplace_predict(rows)
        return probabilities

    def contributions(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return exact TreeSHAP contributions in log-odds, shape (n, features + 1); the last column is the bias.

        Source: Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
        Nature Machine Intelligence 2 (2020).
        """
        import xgboost

        matrix = xgboost.DMatrix(rows, feature_names=list(self.features), nthread=1)
        contributions: NDArray[np.float32] = self._booster.predict(matrix, pred_contribs=True)
        return contributions


def _booster(bundle: Bundle) -> Any:
    import xgboost

    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(bundle.model_bytes))
        # One row is answered in less time than waking a second thread takes.
        booster.set_param({"nthread": 1})
    except xgboost.core.XGBoostError as unreadable:
        raise BundleRefused(
            RefusalReason.CONTENT_UNREADABLE, f"the model of bundle {bundle.digest} cannot be read: {unreadable}"
        ) from unreadable
    if tuple(booster.feature_names or ()) != bundle.fields.features:
        raise BundleRefused(
            RefusalReason.FEATURES_DIFFER,
            f"the model of bundle {bundle.digest} takes {booster.feature_names}, its manifest says "
            f"{list(bundle.fields.features)}",
        )
    return booster
