import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xgboost

from ledgerline.core.storage import ObjectStore
from ledgerline.decisions.bundle import (
    BundleRefused,
    ManifestFields,
    ModelFormat,
    RefusalReason,
    load_bundle,
    write_bundle,
)
from ledgerline.decisions.fraud import (
    REASON_CODES,
    FeatureVectorRefused,
    FraudModel,
    encode_reason_codes,
)

FEATURES = tuple(REASON_CODES)


def _rows(count: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, 30.0, (count, len(FEATURES)))


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    rows = _rows(2_000)
    fraud = (rows[:, 0] > 120) | (rows[:, 10] > 150)
    matrix = xgboost.DMatrix(rows, fraud, feature_names=list(FEATURES))
    settings = {"objective": "binary:logistic", "max_depth": 3, "tree_method": "exact", "base_score": 0.5, "nthread": 1}
    return xgboost.train(settings, matrix, 30)


def _model(
    booster: xgboost.Booster,
    folder: Path,
    *,
    threshold: float = 0.5,
    features: tuple[str, ...] = FEATURES,
    family: str = "fraud",
    reason_codes: bytes | None = None,
) -> FraudModel:
    objects = ObjectStore(folder)
    fields = ManifestFields(
        family, "card_spending", "a" * 64, features, threshold, ModelFormat.XGBOOST_UBJ, "b" * 64, "c" * 64
    )
    files = {
        "model.ubj": bytes(booster.save_raw("ubj")),
        "evaluation.json": b"{}",
        "card.md": b"#",
        "reason_codes.json": reason_codes or encode_reason_codes(FEATURES),
    }
    if family == "credit":
        files["inputs.json"] = b"{}"
    return FraudModel.load(load_bundle(objects, write_bundle(objects, fields, files)))


def _vector(row: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURES, row.tolist(), strict=True))


def test_one_row_and_many_rows_give_equal_probabilities(booster: xgboost.Booster, tmp_path: Path):
    model, rows = _model(booster, tmp_path), _rows(500, seed=4)

    many = model.score_frame(pl.DataFrame(rows, schema=list(FEATURES)))

    assert [model.score(_vector(row)).probability for row in rows] == many.tolist()


def test_probabilities_are_those_of_the_booster_that_was_trained(booster: xgboost.Booster, tmp_path: Path):
    rows = _rows(200, seed=5)
    expected = booster.predict(xgboost.DMatrix(rows, feature_names=list(FEATURES)))

    found = _model(booster, tmp_path).score_frame(pl.DataFrame(rows, schema=list(FEATURES)))

    assert found.tolist() == expected.astype(float).tolist()


def test_order_of_names_in_a_vector_or_frame_does_not_matter(booster: xgboost.Booster, tmp_path: Path):
    model, vector = _model(booster, tmp_path), _vector(_rows(1)[0])
    turned = dict(reversed(vector.items()))

    assert model.score(turned) == model.score(vector)
    assert model.score_frame(pl.DataFrame([turned]))[0] == model.score(vector).probability


def test_probability_equal_to_the_threshold_alerts_and_one_below_it_does_not(booster: xgboost.Booster, tmp_path: Path):
    vector = _vector(_rows(1)[0])
    probability = _model(booster, tmp_path).score(vector).probability

    assert _model(booster, tmp_path, threshold=probability).score(vector).is_alert
    assert not _model(booster, tmp_path, threshold=float(np.nextafter(probability, 1.0))).score(vector).is_alert


def test_whole_numbers_are_taken_as_numbers(booster: xgboost.Booster, tmp_path: Path):
    model = _model(booster, tmp_path)
    whole = dict.fromkeys(FEATURES, 3)

    assert model.score(whole) == model.score({name: float(value) for name, value in whole.items()})
    assert model.score_frame(pl.DataFrame([whole]))[0] == model.score(whole).probability


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_value_that_is_no_finite_number_is_refused_by_name(booster: xgboost.Booster, tmp_path: Path, wrong: float):
    model = _model(booster, tmp_path)
    vector = _vector(_rows(1)[0]) | {"terminal_risk_7d": wrong}

    with pytest.raises(FeatureVectorRefused, match="terminal_risk_7d"):
        model.score(vector)
    with pytest.raises(FeatureVectorRefused, match="terminal_risk_7d"):
        model.score_frame(pl.DataFrame([vector]))


def test_null_in_a_frame_is_refused(booster: xgboost.Booster, tmp_path: Path):
    vector = _vector(_rows(1)[0]) | {"amount": None}
    with pytest.raises(FeatureVectorRefused, match="amount"):
        _model(booster, tmp_path).score_frame(pl.DataFrame([vector], schema_overrides={"amount": pl.Float64}))


def test_missing_and_unknown_features_are_refused_by_name(booster: xgboost.Booster, tmp_path: Path):
    model, vector = _model(booster, tmp_path), _vector(_rows(1)[0])
    del vector["amount"]

    with pytest.raises(FeatureVectorRefused, match="amount"):
        model.score(vector)
    with pytest.raises(FeatureVectorRefused, match="weather"):
        model.score({**_vector(_rows(1)[0]), "weather": 1.0})
    with pytest.raises(FeatureVectorRefused, match="amount"):
        model.score_frame(pl.DataFrame([vector]))


def test_frame_without_rows_gives_no_scores(booster: xgboost.Booster, tmp_path: Path):
    empty = pl.DataFrame(schema=dict.fromkeys(FEATURES, pl.Float64))
    assert _model(booster, tmp_path).score_frame(empty).shape == (0,)


def test_reasons_are_the_strongest_pushes_towards_fraud_and_contributions_add_up_to_the_score(
    booster: xgboost.Booster, tmp_path: Path
):
    model = _model(booster, tmp_path)
    row = np.full(len(FEATURES), 20.0)
    row[0] = 400.0
    reasons = model.reasons(_vector(row))

    assert reasons[0].feature == "amount"
    assert reasons[0].code == REASON_CODES["amount"].code
    assert reasons[0].value == 400.0
    pushes = [reason.contribution for reason in reasons]
    assert pushes == sorted(pushes, reverse=True)
    assert min(pushes) > 0
    assert len(reasons) <= 4

    everything = booster.predict(xgboost.DMatrix(row[None], feature_names=list(FEATURES)), pred_contribs=True)[0]
    log_odds = np.log(model.score(_vector(row)).probability / (1 - model.score(_vector(row)).probability))
    assert float(everything.sum()) == pytest.approx(log_odds, abs=1e-4)
    assert reasons[0].contribution == pytest.approx(float(everything[0]), abs=1e-6)


def test_another_familys_bundle_is_refused(booster: xgboost.Booster, tmp_path: Path):
    with pytest.raises(BundleRefused) as refused:
        _model(booster, tmp_path, family="credit")
    assert refused.value.reason is RefusalReason.FAMILY_DIFFERS


def test_manifest_that_names_the_inputs_in_another_order_is_refused(booster: xgboost.Booster, tmp_path: Path):
    with pytest.raises(BundleRefused) as refused:
        _model(booster, tmp_path, features=tuple(reversed(FEATURES)))
    assert refused.value.reason is RefusalReason.FEATURES_DIFFER


def test_model_cut_short_is_refused(booster: xgboost.Booster, tmp_path: Path):
    class Cut:
        def save_raw(self, _format: str) -> bytes:
            return bytes(booster.save_raw("ubj"))[:1_000]

    with pytest.raises(BundleRefused) as refused:
        _model(Cut(), tmp_path)  # type: ignore[arg-type]
    assert refused.value.reason is RefusalReason.CONTENT_UNREADABLE


def test_feature_without_a_reason_code_is_refused(booster: xgboost.Booster, tmp_path: Path):
    with pytest.raises(BundleRefused) as refused:
        _model(booster, tmp_path, reason_codes=encode_reason_codes(FEATURES[:-1]))
    assert refused.value.reason is RefusalReason.CONTENT_UNREADABLE


def test_reason_codes_are_all_different():
    assert len({code.code for code in REASON_CODES.values()}) == len(REASON_CODES)


def test_deciding_imports_no_training_library():
    program = (
        "import sys, ledgerline.decisions.fraud, ledgerline.decisions.bundle.booster;"
        "print([name for name in ('mlflow', 'sklearn', 'shap', 'tensorflow') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
