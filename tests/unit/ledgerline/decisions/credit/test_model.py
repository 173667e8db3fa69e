import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from ledgerline.core.identity import canonical_json
from ledgerline.decisions.bundle import BundleRefused, RefusalReason
from ledgerline.decisions.credit import ApplicationRefused, Calibration, CreditInputs, CreditModel, Encoding
from ledgerline.decisions.credit.calibration import log_odds
from ledgerline.decisions.credit.encoding import Lack


def test_one_row_and_many_rows_are_scored_equally(
    model: CreditModel, applications: pl.DataFrame, said: list[dict[str, Any]]
) -> None:
    together = model.score_frame(applications.head(100))
    alone = [model.score(row) for row in said[:100]]
    assert [each.probability for each in alone] == together["probability"].to_list()
    assert [each.score for each in alone] == together["score"].to_list()


def test_calibration_keeps_the_order_and_the_probability_gives_the_score(
    model: CreditModel, applications: pl.DataFrame
) -> None:
    scored = model.score_frame(applications).sort("probability")
    assert scored["score"].to_list() == sorted(scored["score"], reverse=True)
    assert scored["probability"].is_between(0, 1, closed="none").all()
    assert scored["score"].n_unique() > 50


def test_a_category_that_was_not_known_is_scored_as_a_missing_one(
    model: CreditModel, said: list[dict[str, Any]]
) -> None:
    unseen, missing = said[0] | {"purpose": "yacht"}, said[0] | {"purpose": None}
    assert model.vector(unseen) == model.vector(missing)
    assert all(value == 0.0 for name, value in model.vector(unseen).items() if name.startswith("purpose="))
    lacks = model.takes.encoding.lacks
    assert lacks(unseen, ["purpose", "housing"]) == {"purpose": Lack.UNSEEN_CATEGORY}
    assert lacks(missing, ["purpose"]) == {"purpose": Lack.MISSING}


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_number_that_is_not_known_is_none_in_the_vector(
    model: CreditModel, said: list[dict[str, Any]], missing: float | None
) -> None:
    vector = model.vector(said[0] | {"income": missing})
    assert vector["income"] is None
    assert json.loads(canonical_json(vector)) == vector
    assert 0 < model.score_vector(vector).probability < 1


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("income", "much", "is no number"),
        ("income", True, "is no number"),
        ("income", math.inf, "is infinite"),
        ("purpose", 3.0, "is no text"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(
    model: CreditModel, said: list[dict[str, Any]], name: str, value: Any, problem: str
) -> None:
    with pytest.raises(ApplicationRefused) as refused:
        model.score(said[0] | {name: value})
    assert refused.value.problems == {name: problem}


def test_an_absent_input_is_refused(model: CreditModel, said: list[dict[str, Any]], applications: pl.DataFrame) -> None:
    with pytest.raises(ApplicationRefused, match="income: is absent"):
        model.score({name: value for name, value in said[0].items() if name != "income"})
    with pytest.raises(ApplicationRefused, match="income: is absent"):
        model.probabilities(applications.drop("income"))


def test_contributions_add_up_to_the_log_odds_of_what_was_scored(
    model: CreditModel, applications: pl.DataFrame, said: list[dict[str, Any]]
) -> None:
    """What one input's columns add stands together, and all of it is the score: up to one constant, the average."""
    factors = [model.factors(model.vector(row)) for row in said[:50]]
    assert all(sorted(each.input for each in found) == sorted(model.inputs) for found in factors)
    sums = np.array([sum(each.contribution for each in found) for found in factors])
    odds = np.array([log_odds(value) for value in model.probabilities(applications.head(50))])
    assert np.ptp(odds - sums) < 1e-4
    assert np.ptp(sums) > 1


def test_factors_of_many_rows_are_those_of_each(
    model: CreditModel, applications: pl.DataFrame, said: list[dict[str, Any]]
) -> None:
    assert list(model.factors_frame(applications.head(20))) == [model.factors(model.vector(row)) for row in said[:20]]


def test_columns_of_two_features_may_not_share_a_name() -> None:
    with pytest.raises(ValueError, match="share a name"):
        Encoding(("purpose=car",), {"purpose": ("car",)})


def test_names_that_the_library_forbids_are_written_otherwise() -> None:
    encoding = Encoding(("a[0]",), {"size": ("<5%",)})
    vector = encoding.vector({"a[0]": 2, "size": "<5%"})
    assert set(vector.values()) == {2.0, 1.0}
    assert not any(set("[]<") & set(name) for name in encoding.columns)
    assert (encoding.value_of(vector, "a[0]"), encoding.value_of(vector, "size")) == (2.0, "<5%")


def test_inputs_are_read_back_as_written(takes: CreditInputs) -> None:
    assert CreditInputs.from_bytes(takes.to_bytes()) == takes


@pytest.mark.parametrize("slope", [0.0, -1.0, math.inf])
def test_a_calibration_that_turns_the_order_round_is_refused(slope: float) -> None:
    with pytest.raises(ValueError, match="rises"):
        Calibration.of({"method": "platt", "slope": slope, "intercept": 0.0})


def test_a_bundle_that_contradicts_itself_is_refused(load: Callable[..., CreditModel], takes: CreditInputs) -> None:
    body = json.loads(takes.to_bytes())
    fewer = canonical_json(body | {"numeric": body["numeric"][1:]})
    falling = canonical_json(body | {"calibration": {"method": "platt", "slope": -1.0, "intercept": 0.0}})
    for said, reason in (
        ({"inputs": fewer}, RefusalReason.FEATURES_DIFFER),
        ({"inputs": falling}, RefusalReason.CONTENT_UNREADABLE),
        ({"codes": b'{"age":{"code":"C01","text":"age"}}'}, RefusalReason.CONTENT_UNREADABLE),
        ({"family": "price"}, RefusalReason.FAMILY_DIFFERS),
    ):
        with pytest.raises(BundleRefused) as refused:
            load(**said)
        assert refused.value.reason is reason
