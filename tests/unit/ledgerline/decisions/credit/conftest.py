"""A small real credit model of the simulated lender's applications."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xgboost

from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.core.storage import ObjectStore
from ledgerline.decisions.bundle import ManifestFields, ModelFormat, load_bundle, write_bundle
from ledgerline.decisions.credit import (
    Attribute,
    AttributeKind,
    Calibration,
    CreditInputs,
    CreditModel,
    CreditPolicy,
    Encoding,
    Scorecard,
    credit_policy,
    encode_reason_codes,
)
from ledgerline.sandbox.lending import NUMERIC, simulate_applications

CATEGORICAL = ("purpose", "housing")


@pytest.fixture(scope="session")
def scale() -> Scorecard:
    return Scorecard(base_score=600, base_odds=30, points_to_double_odds=20, lowest=300, highest=850)


@pytest.fixture(scope="session")
def policy() -> CreditPolicy:
    """The project's own policy."""
    return credit_policy(PROJECT_ROOT)


@pytest.fixture(scope="session")
def applications() -> pl.DataFrame:
    return simulate_applications(1_500, np.random.default_rng(11))


@pytest.fixture(scope="session")
def takes(applications: pl.DataFrame, scale: Scorecard) -> CreditInputs:
    known = {name: tuple(applications[name].unique().sort()) for name in CATEGORICAL}
    kinds = dict.fromkeys(NUMERIC, AttributeKind.NUMERIC) | dict.fromkeys(CATEGORICAL, AttributeKind.CATEGORICAL)
    attributes = {
        name: Attribute(kind, applications[name].null_count() / applications.height) for name, kind in kinds.items()
    }
    return CreditInputs("loans", attributes, Encoding(NUMERIC, known), Calibration(1.3, -0.2), scale)


@pytest.fixture(scope="session")
def booster_bytes(applications: pl.DataFrame, takes: CreditInputs) -> bytes:
    matrix = xgboost.DMatrix(
        takes.encoding.matrix(applications),
        applications["defaults"].to_numpy(),
        feature_names=list(takes.encoding.columns),
        nthread=1,
    )
    settings = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.2, "nthread": 1, "seed": 0}
    return bytes(xgboost.train(settings, matrix, 40).save_raw("ubj"))


@pytest.fixture(scope="session")
def load(
    booster_bytes: bytes, takes: CreditInputs, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., CreditModel]:
    """Write a bundle and load its model; arguments say what differs in it."""

    def make(*, family: str = "credit", inputs: bytes | None = None, codes: bytes | None = None) -> CreditModel:
        objects = ObjectStore(Path(tmp_path_factory.mktemp("objects")))
        fields = ManifestFields(
            family=family,
            feature_view="credit_application",
            feature_fingerprint="a" * 64,
            features=takes.encoding.columns,
            threshold=None,
            model_format=ModelFormat.XGBOOST_UBJ,
            training_set="b" * 64,
            training_run="c" * 64,
        )
        files = {
            "model.ubj": booster_bytes,
            "evaluation.json": b"{}",
            "card.md": b"#",
            "inputs.json": inputs or takes.to_bytes(),
            "reason_codes.json": codes or encode_reason_codes(takes.encoding.inputs),
        }
        if family == "price":
            del files["reason_codes.json"]
        return CreditModel.load(load_bundle(objects, write_bundle(objects, fields, files)))

    return make


@pytest.fixture(scope="session")
def model(load: Callable[..., CreditModel]) -> CreditModel:
    return load()


@pytest.fixture(scope="session")
def said(applications: pl.DataFrame, takes: CreditInputs) -> list[dict[str, Any]]:
    """What each application says; what it does not say is None."""
    return applications.select(takes.encoding.inputs).to_dicts()
