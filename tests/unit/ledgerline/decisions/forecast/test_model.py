"""A forecasting model: from a file to points and intervals, or a refusal."""

import json
from typing import Any

import numpy as np
import pytest

from ledgerline.decisions.bundle import Bundle, BundleRefused, ManifestFields, ModelFormat, RefusalReason
from ledgerline.decisions.bundle.manifest import Manifest
from ledgerline.decisions.forecast import ForecastModel, MemberKind, MemberSpec, ModelSpec, SeriesRefused
from ledgerline.decisions.forecast.lag_features import FEATURES
from ledgerline.decisions.forecast.members import TreeMember, seasonal_naive, theta

SEASONAL = 100 + 10 * np.sin(2 * np.pi * np.arange(60) / 12) + 0.5 * np.arange(60)
THETA = (MemberSpec(MemberKind.THETA, 1.0),)
WIDTHS = {"0.8": (0.5, 1.0), "0.95": (1.0, 2.0)}


@pytest.fixture(scope="session")
def trees() -> str:
    """Trees that expect the newest known figure of the same month to come again."""
    import lightgbm

    generator = np.random.default_rng(1)
    rows = generator.normal(0, 0.2, (2000, len(FEATURES)))
    data = lightgbm.Dataset(rows, rows[:, FEATURES.index("same_month")], feature_name=list(FEATURES))
    return str(lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 50).model_to_string())


def bundle(content: bytes, *, family: str = "forecast") -> Bundle:
    fields = ManifestFields(
        family=family,
        feature_view="ledger_monthly",
        feature_fingerprint="a" * 64,
        features=("amount",),
        threshold=None,
        model_format=ModelFormat.FORECAST_JSON,
        training_set="b" * 64,
        training_run="c" * 64,
    )
    return Bundle("d" * 64, Manifest(fields, {}), {"model.json": content})


def test_model_file_is_read_as_it_was_written(trees: str):
    spec = ModelSpec(2, (MemberSpec(MemberKind.THETA, 0.5), MemberSpec(MemberKind.TREES, 0.5, trees)), WIDTHS)
    assert ModelSpec.from_bytes(spec.to_bytes()) == spec


def test_forecast_is_the_weighted_mean_of_its_members(trees: str):
    spec = ModelSpec(12, (MemberSpec(MemberKind.THETA, 0.25), MemberSpec(MemberKind.TREES, 0.75, trees)), {})
    expected = 0.25 * theta(SEASONAL, 12) + 0.75 * TreeMember(trees).forecast(SEASONAL, 12)
    np.testing.assert_allclose(ForecastModel(spec).forecast(SEASONAL).point, expected, rtol=1e-12)


def test_intervals_reach_as_far_as_the_file_says_in_units_of_the_yearly_change():
    forecast = ForecastModel(ModelSpec(2, THETA, WIDTHS)).forecast(SEASONAL)
    change = np.abs(SEASONAL[12:] - SEASONAL[:-12]).mean()
    for name, widths in WIDTHS.items():
        low, high = forecast.bounds[name]
        np.testing.assert_allclose(high - forecast.point, change * np.array(widths))
        np.testing.assert_allclose(forecast.point - low, change * np.array(widths))


def test_loaded_bundle_forecasts_and_names_itself():
    model = ForecastModel.load(bundle(ModelSpec(2, THETA, WIDTHS).to_bytes()))
    assert (model.digest, model.horizon, model.levels) == ("d" * 64, 2, ("0.8", "0.95"))
    assert model.forecast(SEASONAL).point.shape == (2,)


def test_another_familys_bundle_is_refused():
    with pytest.raises(BundleRefused) as refused:
        ForecastModel.load(bundle(ModelSpec(2, THETA, WIDTHS).to_bytes(), family="fraud"))
    assert refused.value.reason is RefusalReason.FAMILY_DIFFERS


@pytest.mark.parametrize(
    "change",
    [
        {"format": "ledgerline-forecast/2"},
        {"season": 4},
        {"horizon": 0},
        {"horizon": 3},
        {"members": []},
        {"members": [{"kind": "dynamic_optimised_theta", "weight": 0.5}]},
        {"members": [{"kind": "oracle", "weight": 1.0}]},
        {"members": [{"kind": "global_lightgbm", "weight": 1.0}]},
        {"members": [{"kind": "global_lightgbm", "weight": 1.0, "model": "tree\nnonsense"}]},
        {"members": [{"kind": "dynamic_optimised_theta", "weight": 1.0, "model": "x"}]},
        {"intervals": {"1.5": [1.0, 1.0]}},
        {"intervals": {"0.8": [-1.0, 1.0]}},
        {"intervals": None},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_file_that_says_what_cannot_be_is_refused(change: dict[str, Any]):
    body = json.loads(ModelSpec(2, THETA, WIDTHS).to_bytes()) | change
    with pytest.raises(BundleRefused) as refused:
        ForecastModel.load(bundle(json.dumps(body).encode()))
    assert refused.value.reason is RefusalReason.CONTENT_UNREADABLE


def test_trees_over_other_features_are_refused():
    import lightgbm

    rows = np.random.default_rng(1).random((100, 2))
    text = lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(rows, rows[:, 0]), 2).model_to_string()
    spec = ModelSpec(2, (MemberSpec(MemberKind.TREES, 1.0, text),), WIDTHS)
    with pytest.raises(BundleRefused, match="this code computes"):
        ForecastModel.load(bundle(spec.to_bytes()))


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]], ids=str)
def test_series_without_finite_values_is_refused(values: list[float]):
    with pytest.raises(SeriesRefused):
        ForecastModel(ModelSpec(2, THETA, WIDTHS)).forecast(np.array(values))


@pytest.mark.parametrize("values", [[5.0], [5.0] * 11, [0.0] * 60, list(range(1, 20)), list(-SEASONAL)], ids=len)
def test_short_flat_and_negative_series_have_finite_forecasts(values: list[float], trees: str):
    spec = ModelSpec(2, (MemberSpec(MemberKind.THETA, 0.5), MemberSpec(MemberKind.TREES, 0.5, trees)), WIDTHS)
    forecast = ForecastModel(spec).forecast(np.array(values, dtype=float))
    assert np.isfinite(forecast.point).all()
    assert all((low <= high).all() for low, high in forecast.bounds.values())


def test_series_that_never_moves_is_forecast_as_it_stands():
    np.testing.assert_array_equal(theta(np.full(60, 5.0), 3), [5.0, 5.0, 5.0])


def test_theta_follows_trend_and_season():
    came = 100 + 10 * np.sin(2 * np.pi * np.arange(60, 72) / 12) + 0.5 * np.arange(60, 72)
    error = np.abs(theta(SEASONAL, 12) - came).mean()
    assert error < np.abs(seasonal_naive(SEASONAL, 12) - came).mean() / 2


def test_seasonal_naive_repeats_the_last_year():
    series = np.arange(24.0)
    assert seasonal_naive(series, 14).tolist() == [*range(12, 24), 12.0, 13.0]
