"""A small real bundle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from ledgerline.core.storage import ObjectStore
from ledgerline.decisions.bundle import ManifestFields, ModelFormat

FEATURES = ("amount", "is_night", "terminal_risk_7d")


@pytest.fixture(scope="session")
def model_bytes() -> bytes:
    generator = np.random.default_rng(1)
    rows = generator.random((400, len(FEATURES)))
    matrix = xgboost.DMatrix(rows, rows[:, 0] + rows[:, 2] > 1.2, feature_names=list(FEATURES))
    settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "base_score": 0.5}
    return bytes(xgboost.train(settings, matrix, 10).save_raw("ubj"))


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


@pytest.fixture
def fields() -> Callable[..., ManifestFields]:
    def make(**changes: Any) -> ManifestFields:
        values: dict[str, Any] = {
            "family": "fraud",
            "feature_view": "card_spending",
            "feature_fingerprint": "a" * 64,
            "features": FEATURES,
            "threshold": 0.25,
            "model_format": ModelFormat.XGBOOST_UBJ,
            "training_set": "b" * 64,
            "training_run": "c" * 64,
        }
        return ManifestFields(**(values | changes))

    return make


@pytest.fixture
def files(model_bytes: bytes) -> dict[str, bytes]:
    return {
        "model.ubj": model_bytes,
        "evaluation.json": b'{"family":"fraud"}',
        "card.md": b"# A model\n",
        "reason_codes.json": b'{"amount":{"code":"F01","text":"amount"}}',
    }
