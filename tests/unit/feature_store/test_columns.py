"""What a feature is said to read, where one can see that it is so."""

from dataclasses import replace

import pytest

from feature_store.columns import columns_read
from feature_store.errors import ViewInvalid
from feature_store.table_view import TableView
from feature_store.views import VIEWS
from feature_store.views.card_spending import CARD_SPENDING
from feature_store.views.credit_application import CREDIT_APPLICATION
from feature_store.views.ledger_monthly import LEDGER_MONTHLY

ROW = ["transactions.available_at", "transactions.transaction_id"]


@pytest.mark.parametrize(
    ("feature", "columns"),
    [
        ("amount", ["transactions.amount_minor", *ROW]),
        ("is_night", ["transactions.event_time", *ROW]),
        ("customer_count_7d", ["transactions.customer_id", "transactions.event_time", *ROW]),
        (
            "customer_mean_amount_30d",
            ["transactions.amount_minor", "transactions.customer_id", "transactions.event_time", *ROW],
        ),
        (
            "terminal_risk_1d",
            [
                "fraud_labels.available_at",
                "fraud_labels.is_fraud",
                "fraud_labels.transaction_id",
                "transactions.event_time",
                "transactions.terminal_id",
                *ROW,
            ],
        ),
    ],
)
def test_a_declared_feature_reads_what_its_declaration_names(feature: str, columns: list[str]):
    assert columns_read(CARD_SPENDING, CARD_SPENDING.feature_names)[feature] == sorted(columns)


def test_another_measure_in_the_declaration_is_another_column():
    features = tuple(
        replace(each, of=replace(each.of, column="scenario")) if each.name == "terminal_risk_1d" else each
        for each in CARD_SPENDING.features
    )
    read = columns_read(replace(CARD_SPENDING, features=features), CARD_SPENDING.feature_names)
    assert {"fraud_labels.scenario"} == set(read["terminal_risk_1d"]) - set(
        columns_read(CARD_SPENDING, CARD_SPENDING.feature_names)["terminal_risk_1d"]
    )


def test_calendar_features_of_the_books_read_no_amount():
    read = columns_read(LEDGER_MONTHLY, LEDGER_MONTHLY.feature_names)
    assert "ledger.amount" not in read["month"]
    assert {"ledger.amount", "ledger.event_time", "ledger.entity_id"} <= set(read["mean_12"])
    assert not any("ledger.category" in columns for columns in read.values())


def test_a_lender_s_own_columns_are_read_by_name_and_never_what_became_of_the_loan():
    features = ["Income of 2024", "age", "employment_years", "employment_stability"]
    read = columns_read(CREDIT_APPLICATION, features)
    row = ["applications.application_id", "applications.available_at"]
    assert read == {
        "Income of 2024": ["applications.Income of 2024", *row],
        "age": ["applications.age", *row],
        "employment_years": sorted(["applications.employment_years", *row]),
        "employment_stability": sorted(["applications.age", "applications.employment_years", *row]),
    }


def test_a_lender_s_own_column_that_is_called_like_a_derived_one_reads_itself():
    read = columns_read(CREDIT_APPLICATION, ["income_to_loan"])
    assert "applications.income_to_loan" in read["income_to_loan"]


def test_the_same_view_is_found_to_read_the_same_again():
    assert columns_read(LEDGER_MONTHLY, LEDGER_MONTHLY.feature_names) == columns_read(
        LEDGER_MONTHLY, LEDGER_MONTHLY.feature_names
    )


def test_a_view_over_tables_that_shows_nothing_is_refused_and_none_of_the_declared_is():
    with pytest.raises(ViewInvalid, match="no small tables"):
        columns_read(replace(LEDGER_MONTHLY, probe=None), LEDGER_MONTHLY.feature_names)
    assert [view.name for view in VIEWS.values() if isinstance(view, TableView) and view.probe is None] == []


def test_what_shows_the_columns_is_no_part_of_what_decides_a_value():
    for view in VIEWS.values():
        if isinstance(view, TableView):
            assert replace(view, probe=None).fingerprint == view.fingerprint
