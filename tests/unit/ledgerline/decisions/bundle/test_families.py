"""What a bundle of each family holds, and which code reads it."""

import json
from collections.abc import Callable

import pytest

from ledgerline.core.storage import ObjectStore
from ledgerline.decisions.bundle import (
    Bundle,
    BundleRefused,
    ManifestFields,
    ModelFormat,
    RefusalReason,
    load_bundle,
    write_bundle,
)
from ledgerline.decisions.bundle.manifest import Manifest
from ledgerline.decisions.deployment import Job, job_of
from ledgerline.decisions.forecast import ForecastModel, MemberKind, MemberSpec, ModelSpec
from ledgerline.decisions.fraud import FraudModel
from ledgerline.decisions.models import load_model

Fields = Callable[..., ManifestFields]
FORECAST_FILES = {
    "model.json": ModelSpec(3, (MemberSpec(MemberKind.THETA, 1.0),), {}).to_bytes(),
    "evaluation.json": b'{"family":"forecast"}',
    "card.md": b"# A model\n",
}


@pytest.fixture
def forecast_fields(fields: Fields) -> ManifestFields:
    return fields(family="forecast", features=("amount",), threshold=None, model_format=ModelFormat.FORECAST_JSON)


def test_model_without_a_threshold_loads_as_one_without(objects: ObjectStore, forecast_fields: ManifestFields):
    digest = write_bundle(objects, forecast_fields, FORECAST_FILES)
    assert load_bundle(objects, digest).fields == forecast_fields


def test_bundle_is_read_by_its_familys_code(
    objects: ObjectStore, fields: Fields, files: dict[str, bytes], forecast_fields: ManifestFields
):
    codes = json.dumps({name: {"code": name, "text": name} for name in fields().features}).encode()
    fraud = load_bundle(objects, write_bundle(objects, fields(), files | {"reason_codes.json": codes}))
    forecast = load_bundle(objects, write_bundle(objects, forecast_fields, FORECAST_FILES))
    assert isinstance(load_model(fraud), FraudModel)
    assert isinstance(load_model(forecast), ForecastModel)


def test_document_of_another_family_is_refused(objects: ObjectStore, forecast_fields: ManifestFields):
    with pytest.raises(BundleRefused) as refused:
        write_bundle(objects, forecast_fields, FORECAST_FILES | {"reason_codes.json": b"{}"})
    assert refused.value.reason is RefusalReason.FILE_UNEXPECTED


def test_family_that_nobody_knows_is_refused(objects: ObjectStore, fields: Fields, files: dict[str, bytes]):
    with pytest.raises(BundleRefused) as refused:
        write_bundle(objects, fields(family="weather"), files)
    assert refused.value.reason is RefusalReason.FAMILY_DIFFERS
    with pytest.raises(BundleRefused) as refused:
        load_model(Bundle("d" * 64, Manifest(fields(family="weather"), {}), files))
    assert refused.value.reason is RefusalReason.FAMILY_DIFFERS


def test_each_family_has_its_job():
    assert {family: job_of(family) for family in ("fraud", "credit", "price", "forecast")} == {
        "fraud": Job.SCORING,
        "credit": Job.SCORING,
        "price": Job.TRADING,
        "forecast": Job.FORECASTING,
    }
