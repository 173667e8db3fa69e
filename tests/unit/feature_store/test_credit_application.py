"""An open view: what a lender has, and what follows from it where it can be computed."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from feature_store.errors import SourceInvalid
from feature_store.lookahead import leaks
from feature_store.views.credit_application import CREDIT_APPLICATION

FINGERPRINT = "93cb93a5612fe08816297db0e25e0ab4742aa9bb0b58efab422dd2d975c0e14b"

START = datetime(2024, 1, 1, tzinfo=UTC)
DERIVED = ["income_to_loan", "employment_stability", "credit_density", "income_x_score", "dti_x_utilisation"]


def application(name: str, *, day: float = 0, known: float | None = None, portfolio: str = "loans", **own) -> dict:
    """Write an application and what its lender knows of it."""
    return {
        "application_id": name,
        "portfolio": portfolio,
        "defaulted": None,
        "outcome_at": None,
        "dated": True,
        "event_time": START + timedelta(days=day),
        "available_at": START + timedelta(days=day if known is None else known),
        **own,
    }


def frame(*rows: dict) -> dict[str, pl.DataFrame]:
    instants = {name: pl.Datetime("us", "UTC") for name in ("event_time", "available_at", "outcome_at")}
    return {
        "applications": pl.DataFrame(
            rows, schema_overrides={"defaulted": pl.Boolean, **instants}, infer_schema_length=None
        )
    }


@pytest.fixture
def sources():
    return frame(
        application("b", day=1, income=50_000.0, loan_amount=20_000.0, employment_years=5.0, age=40.0, accounts=6.0,
                    history_years=12.0, credit_score=700.0, debt_to_income=0.3, utilisation=0.5, purpose="car"),
        application("a", day=0, income=30_000.0, loan_amount=0.0, employment_years=None, age=30.0, accounts=1.0,
                    history_years=3.0, credit_score=600.0, debt_to_income=0.1, utilisation=0.9, purpose="home"),
        application("x", day=2, portfolio="cards", LIMIT=5.0, EDUCATION="2"),
    )  # fmt: skip


def test_features_are_the_lenders_columns_by_name_and_then_what_follows_from_them(sources):
    computed = CREDIT_APPLICATION.compute(sources)

    own = sorted(set(sources["applications"].columns) - set(CREDIT_APPLICATION.primary.column_names))
    assert CREDIT_APPLICATION.features_of(computed) == (*own, *DERIVED)
    texts = {name for name, kind in computed.schema.items() if kind == pl.String}
    assert texts == {"application_id", "portfolio", "EDUCATION", "purpose"}


def test_derived_features_are_what_they_say_and_null_where_they_cannot_be(sources):
    rows = {row["application_id"]: row for row in CREDIT_APPLICATION.compute(sources).to_dicts()}

    assert [rows["b"][name] for name in DERIVED] == pytest.approx([2.5, 0.125, 0.5, 35_000_000.0, 0.15])
    assert [rows["a"][name] for name in DERIVED] == [
        None,
        None,
        pytest.approx(1 / 3),
        18_000_000.0,
        pytest.approx(0.09),
    ]
    assert [rows["x"][name] for name in DERIVED] == [None] * 5
    assert (rows["x"]["LIMIT"], rows["x"]["income"], rows["b"]["LIMIT"]) == (5.0, None, None)


def test_one_application_alone_gives_the_very_values_of_the_batch(sources):
    batch = CREDIT_APPLICATION.compute(sources)

    for name in ("a", "b", "x"):
        alone = CREDIT_APPLICATION.compute(
            {"applications": sources["applications"].filter(pl.col("application_id") == name)}
        )
        assert alone.equals(batch.filter(pl.col("application_id") == name))


def test_lender_without_the_inputs_gets_no_derived_features():
    computed = CREDIT_APPLICATION.compute(frame(application("a", income=1.0, EDUCATION="2")))

    assert CREDIT_APPLICATION.features_of(computed) == ("EDUCATION", "income")


def test_lenders_own_column_is_not_replaced_by_a_derived_one():
    computed = CREDIT_APPLICATION.compute(frame(application("a", income=1.0, loan_amount=2.0, income_to_loan=9.0)))

    assert computed["income_to_loan"].to_list() == [9.0]


def test_application_counts_as_it_first_came_in():
    outcome = application("a", day=0, known=300, income=2.0) | {"defaulted": True, "outcome_at": START}
    computed = CREDIT_APPLICATION.compute(frame(outcome, application("a", income=1.0)))

    assert computed.select("available_at", "income").rows() == [(START, 1.0)]


def test_neither_outcome_nor_anything_of_the_contract_is_a_feature(sources):
    computed = CREDIT_APPLICATION.compute(sources)

    assert not set(CREDIT_APPLICATION.features_of(computed)) & set(CREDIT_APPLICATION.primary.column_names)


def test_column_without_a_role_is_refused():
    with pytest.raises(SourceInvalid, match="flag"):
        CREDIT_APPLICATION.compute(frame(application("a", flag=True)))


def test_view_does_not_look_ahead_though_later_lenders_bring_other_columns(sources):
    cuts = [START, START + timedelta(days=1)]

    assert leaks(CREDIT_APPLICATION, CREDIT_APPLICATION.compute, sources, cuts=cuts) == []


def test_filling_a_gap_from_all_applications_is_caught(sources):
    def leaking(tables):
        computed = CREDIT_APPLICATION.compute(tables)
        return computed.with_columns(pl.col("age").fill_null(0.0) - pl.col("age").mean())

    assert {leak.column for leak in leaks(CREDIT_APPLICATION, leaking, sources, cuts=[START])} == {"age"}


def test_fingerprint_is_pinned():
    """A change here parts deployed models from their features: make it on purpose."""
    assert CREDIT_APPLICATION.fingerprint == FINGERPRINT
