"""Boosters of both libraries, behind one interface."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost

from ledgerline.decisions.bundle import Bundle, BundleRefused, ManifestFields, ModelFormat, RefusalReason
from ledgerline.decisions.bundle.booster import BoosterModel
from ledgerline.decisions.bundle.manifest import Manifest

Fields = Callable[..., ManifestFields]
NAMES = ("amount", "is_night", "terminal_risk_7d")


@pytest.fixture(scope="session")
def rows() -> np.ndarray:
    found = np.random.default_rng(2).random((300, len(NAMES)))
    found[::7, 1] = np.nan
    return found


@pytest.fixture(scope="session")
def lightgbm_text(rows: np.ndarray) -> bytes:
    import lightgbm

    data = lightgbm.Dataset(rows, rows[:, 0] + rows[:, 2] > 1.0, feature_name=list(NAMES))
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return bytes(lightgbm.train(settings, data, 10).model_to_string().encode())


@pytest.fixture(params=[ModelFormat.XGBOOST_UBJ, ModelFormat.LIGHTGBM_TEXT])
def bundle(request: pytest.FixtureRequest, fields: Fields, model_bytes: bytes, lightgbm_text: bytes) -> Bundle:
    """A bundle of each format over the same features."""
    content = model_bytes if request.param is ModelFormat.XGBOOST_UBJ else lightgbm_text
    return bundle_of(fields(model_format=request.param), content)


def bundle_of(fields: ManifestFields, content: bytes) -> Bundle:
    return Bundle("d" * 64, Manifest(fields, {}), {fields.model_file: content})


def test_one_row_is_answered_as_among_many_bit_for_bit(bundle: Bundle, rows: np.ndarray):
    model = BoosterModel(bundle)
    together = model.predict(rows)
    assert together.shape == (300,)
    assert [float(model.predict(row[None, :])[0]) for row in rows] == together.tolist()


def test_contributions_and_bias_add_up_to_the_log_odds(bundle: Bundle, rows: np.ndarray):
    model = BoosterModel(bundle)
    probabilities = model.predict(rows).astype(np.float64)
    contributions = model.contributions(rows)
    assert contributions.shape == (300, len(NAMES) + 1)
    np.testing.assert_allclose(contributions.sum(axis=1), np.log(probabilities / (1 - probabilities)), atol=1e-4)


def test_manifest_that_names_the_features_in_another_order_is_refused(bundle: Bundle, fields: Fields):
    reordered = fields(model_format=bundle.fields.model_format, features=NAMES[::-1])
    with pytest.raises(BundleRefused) as refused:
        BoosterModel(bundle_of(reordered, bundle.model_bytes))
    assert refused.value.reason is RefusalReason.FEATURES_DIFFER


@pytest.mark.parametrize("content", [b"", b"tree\n", b"{L", b"{}", b"tree\nversion=v4\nnum_class=1\n", b"\xff\xfe"])
def test_bytes_that_are_no_model_are_refused(bundle: Bundle, fields: Fields, content: bytes):
    with pytest.raises(BundleRefused) as refused:
        BoosterModel(bundle_of(fields(model_format=bundle.fields.model_format), content))
    assert refused.value.reason is RefusalReason.CONTENT_UNREADABLE


def cut_in_half(text: str) -> str:
    return text[: len(text) // 2]


def point_nowhere(text: str) -> str:
    return re.sub(r"(?m)^left_child=\S+", "left_child=77", text)


def go_round(text: str) -> str:
    """Let the first split that has a split below it be its own parent."""
    return re.sub(r"(?m)^left_child=1 ", "left_child=0 ", text)


def ask_more(text: str) -> str:
    return re.sub(r"(?m)^split_feature=\S", "split_feature=9", text)


def lose_a_leaf(text: str) -> str:
    return re.sub(r"(?m)^leaf_value=\S+ ", "leaf_value=", text)


def claim_leaves(text: str) -> str:
    return re.sub(r"(?m)^num_leaves=", "num_leaves=9", text)


def sized_anew(text: str) -> str:
    """Let the text say the size that its trees have, so that only their structure is wrong."""
    trees = re.findall(r"(?s)Tree=\d+\n.*?(?=Tree=\d|end of trees)", text)
    return re.sub(r"(?m)^tree_sizes=.*$", "tree_sizes=" + " ".join(str(len(tree)) for tree in trees), text)


def test_sizes_of_trees_are_counted_as_the_library_counts_them(lightgbm_text: bytes):
    assert sized_anew(lightgbm_text.decode()) == lightgbm_text.decode()


@pytest.mark.parametrize("damage", [cut_in_half, point_nowhere, go_round, ask_more, lose_a_leaf, claim_leaves])
@pytest.mark.parametrize("resized", [False, True])
def test_lightgbm_text_of_which_the_library_would_die_is_refused(
    fields: Fields, lightgbm_text: bytes, damage: Callable[[str], str], resized: bool
):
    """Measured on LightGBM 4: most of these abort the process, and a text cut in half loads as a smaller model."""
    damaged = damage(lightgbm_text.decode())
    assert damaged != lightgbm_text.decode()
    content = (sized_anew(damaged) if resized else damaged).encode()
    with pytest.raises(BundleRefused) as refused:
        BoosterModel(bundle_of(fields(model_format=ModelFormat.LIGHTGBM_TEXT), content))
    assert refused.value.reason is RefusalReason.CONTENT_UNREADABLE


def test_format_of_another_kind_of_model_is_refused(fields: Fields):
    with pytest.raises(BundleRefused) as refused:
        BoosterModel(bundle_of(fields(model_format=ModelFormat.FORECAST_JSON), b"{}"))
    assert refused.value.reason is RefusalReason.FORMAT_UNKNOWN


def test_probabilities_are_the_librarys_own(fields: Fields, model_bytes: bytes, rows: np.ndarray):
    booster: Any = xgboost.Booster()
    booster.load_model(bytearray(model_bytes))
    expected = booster.predict(xgboost.DMatrix(rows, feature_names=list(NAMES), nthread=1))
    model = BoosterModel(bundle_of(fields(), model_bytes))
    np.testing.assert_array_equal(model.predict(rows), expected)
