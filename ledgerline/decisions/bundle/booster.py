"""Predict and explain with gradient-boosted trees, by the library that made them, read from the bundle's bytes."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ledgerline.decisions.bundle.lightgbm_text import read_lightgbm
from ledgerline.decisions.bundle.manifest import ModelFormat
from ledgerline.decisions.bundle.refusal import BundleRefused, RefusalReason
from ledgerline.decisions.bundle.store import Bundle

Rows = NDArray[np.float64]


class _Trees(Protocol):
    """What both libraries' boosters do for us, on rows of shape (n, features) whose missing values are NaN."""

    def predict(self, rows: Rows) -> NDArray[np.floating]: ...

    def contributions(self, rows: Rows) -> NDArray[np.floating]: ...


class BoosterModel:
    """A gradient-boosted tree model that answers one row and many rows with equal numbers.

    Args:
        bundle: A loaded bundle of format ``xgboost_ubj`` or ``lightgbm_text``.

    Raises:
        BundleRefused: The model cannot be read, or its inputs are not the manifest's features in their order.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.features = bundle.fields.features
        match bundle.fields.model_format:
            case ModelFormat.XGBOOST_UBJ:
                self._trees: _Trees = _XgboostTrees(bundle)
            case ModelFormat.LIGHTGBM_TEXT:
                self._trees = _LightgbmTrees(bundle)
            case other:
                raise BundleRefused(RefusalReason.FORMAT_UNKNOWN, f"{other} is no booster")

    def predict(self, rows: Rows) -> NDArray[np.floating]:
        """Return what the model's objective gives, shape (n,), for rows of shape (n, features); probabilities here.

        NaN is a missing value. Safe to call from several threads.
        """
        return self._trees.predict(rows)

    def contributions(self, rows: Rows) -> NDArray[np.floating]:
        """Return exact TreeSHAP contributions in log-odds, shape (n, features + 1); the last column is the bias.

        Source: Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
        Nature Machine Intelligence 2 (2020).
        """
        return self._trees.contributions(rows)


class _XgboostTrees:
    def __init__(self, bundle: Bundle) -> None:
        import xgboost

        content = bundle.model_bytes
        if not (content.startswith(b"{") and content.endswith(b"}")):
            # The library aborts the process over no bytes at all, and trusts the lengths within cut-off ones.
            raise _unreadable(bundle, ValueError("it is no whole Universal Binary JSON object"))
        self._names = list(bundle.fields.features)
        self._booster = xgboost.Booster()
        try:
            self._booster.load_model(bytearray(content))
            # One row is answered in less time than waking a second thread takes.
            self._booster.set_param({"nthread": 1})
        except xgboost.core.XGBoostError as unreadable:
            raise _unreadable(bundle, unreadable) from unreadable
        _require_features(bundle, self._booster.feature_names or ())

    def predict(self, rows: Rows) -> NDArray[np.floating]:
        probabilities: NDArray[np.float32] = self._booster.inplace_predict(rows)
        return probabilities

    def contributions(self, rows: Rows) -> NDArray[np.floating]:
        import xgboost

        matrix = xgboost.DMatrix(rows, feature_names=self._names, nthread=1)
        contributions: NDArray[np.float32] = self._booster.predict(matrix, pred_contribs=True)
        return contributions


class _LightgbmTrees:
    def __init__(self, bundle: Bundle) -> None:
        try:
            self._booster = read_lightgbm(bundle.model_bytes.decode())
        except ValueError as unreadable:
            raise _unreadable(bundle, unreadable) from unreadable
        _require_features(bundle, self._booster.feature_name())

    def predict(self, rows: Rows) -> NDArray[np.floating]:
        return np.asarray(self._booster.predict(rows, num_threads=1))

    def contributions(self, rows: Rows) -> NDArray[np.floating]:
        return np.asarray(self._booster.predict(rows, pred_contrib=True, num_threads=1))


def _require_features(bundle: Bundle, names: list[str] | tuple[str, ...]) -> None:
    if tuple(names) != bundle.fields.features:
        raise BundleRefused(
            RefusalReason.FEATURES_DIFFER,
            f"the model of bundle {bundle.digest} takes {list(names)}, its manifest says "
            f"{list(bundle.fields.features)}",
        )


def _unreadable(bundle: Bundle, error: Exception) -> BundleRefused:
    return BundleRefused(
        RefusalReason.CONTENT_UNREADABLE, f"the model of bundle {bundle.digest} cannot be read: {error}"
    )
