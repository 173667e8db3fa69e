"""One payment or many: the same numbers, whatever the features are."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerline.core.storage import ObjectStore
from ledgerline.decisions.bundle import ManifestFields, ModelFormat, load_bundle, write_bundle
from ledgerline.decisions.fraud import REASON_CODES, FraudModel, encode_reason_codes

FEATURES = tuple(REASON_CODES)
VALUE = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=64, min_value=-1e30, max_value=1e30),
    st.integers(0, 500).map(lambda cents: cents / 100),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FraudModel:
    rows = np.random.default_rng(5).integers(0, 500, (3_000, len(FEATURES))) / 100  # splits fall on cents
    fraud = (rows[:, 0] > 4) | (rows[:, 11] < 0.3)
    parameters = {"objective": "binary:logistic", "max_depth": 4, "tree_method": "exact", "base_score": 0.5}
    booster = xgboost.train(parameters, xgboost.DMatrix(rows, fraud, feature_names=list(FEATURES)), 25)
    objects = ObjectStore(Path(tmp_path_factory.mktemp("objects")))
    fields = ManifestFields("fraud", "view", "a" * 64, FEATURES, 0.5, ModelFormat.XGBOOST_UBJ, "b" * 64, "c" * 64)
    files = {
        "model.ubj": bytes(booster.save_raw("ubj")),
        "evaluation.json": b"{}",
        "card.md": b"#",
        "reason_codes.json": encode_reason_codes(FEATURES),
    }
    return FraudModel.load(load_bundle(objects, write_bundle(objects, fields, files)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(VALUE, min_size=len(FEATURES), max_size=len(FEATURES)), min_size=1, max_size=20))
def test_batch_and_single_scores_are_equal_and_so_are_the_verdicts(model: FraudModel, rows: list[list[float]]):
    frame = pl.DataFrame(rows, schema=dict.fromkeys(FEATURES, pl.Float64), orient="row")

    batch = model.score_frame(frame)
    single = [model.score(dict(zip(FEATURES, row, strict=True))) for row in rows]

    assert [score.probability for score in single] == batch.tolist()
    assert [score.is_alert for score in single] == (batch >= model.threshold).tolist()
