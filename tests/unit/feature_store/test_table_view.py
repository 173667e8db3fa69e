"""A table view checks what it is declared over, what it is given and what it computes."""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from feature_store.errors import SourceInvalid, ViewInvalid
from feature_store.sources import empty_rows
from feature_store.table_view import TableFeature, TableView
from feature_store.views import VIEWS
from ledgerline.core.contracts import LEDGER, MACRO_SERIES

MOMENT = datetime(2024, 2, 1, tzinfo=UTC)
KEYS = ("entity_id", "event_time", "available_at")


def doubled(tables):
    return tables["ledger"].select(*KEYS, doubled=pl.col("amount") * 2)


@pytest.fixture
def view():
    return TableView(
        name="small",
        description="",
        owner="",
        sources=(LEDGER, MACRO_SERIES),
        key_columns=KEYS,
        features=(TableFeature("doubled", "Twice the amount.", "currency"),),
        computation=doubled,
    )


@pytest.fixture
def ledger():
    row = {"entity_id": "a", "account": "cost", "amount": 2.0, "event_time": MOMENT, "available_at": MOMENT}
    return pl.DataFrame([row], schema={name: kind for name, kind in empty_rows(LEDGER).schema.items() if name in row})


def test_computation_gets_every_source_as_its_contract_says(view, ledger):
    seen = {}
    view = replace(view, computation=lambda tables: doubled(seen.setdefault("tables", tables)))

    computed = view.compute({"ledger": pl.concat([ledger, ledger]).with_columns(extra=1)})

    assert computed.rows() == [("a", MOMENT, MOMENT, 4.0)]
    assert seen["tables"]["ledger"].schema == empty_rows(LEDGER).schema  # the nullable column, and nothing beyond
    assert seen["tables"]["macro_series"].equals(empty_rows(MACRO_SERIES))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda rows: rows.drop("amount"), "amount is absent"),
        (lambda rows: rows.with_columns(amount=pl.lit(2)), "amount is Int"),
        (lambda rows: rows.with_columns(amount=pl.lit(None, pl.Float64)), "nulls"),
    ],
)
def test_table_that_breaks_its_contract_is_refused(view, ledger, wrong, said):
    with pytest.raises(SourceInvalid, match=said):
        view.compute({"ledger": wrong(ledger)})


@pytest.mark.parametrize(
    "computation",
    [
        lambda tables: doubled(tables).drop("doubled"),
        lambda tables: doubled(tables).with_columns(more=pl.lit(1.0)),
        lambda tables: doubled(tables).with_columns(pl.col("doubled").cast(pl.String)),
        lambda tables: doubled(tables).select("doubled", *KEYS),
    ],
)
def test_computation_that_gives_other_columns_than_declared_is_refused(view, ledger, computation):
    with pytest.raises(ViewInvalid):
        replace(view, computation=computation).compute({"ledger": ledger})


@pytest.mark.parametrize(
    "change",
    [
        {"features": (TableFeature("entity_id", "", ""),)},
        {"key_columns": ("entity_id", "event_time")},
        {"sources": ()},
        {"features": ()},
    ],
)
def test_declaration_that_contradicts_itself_is_refused(view, change):
    with pytest.raises(ViewInvalid):
        replace(view, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"name": "other"},
        {"sources": (LEDGER,)},
        {"meaning": {"lexicon": "2"}},
        {"features": (TableFeature("twice", "Twice the amount.", "currency"),)},
    ],
)
def test_fingerprint_changes_with_what_changes_a_value(view, change):
    assert replace(view, **change).fingerprint != view.fingerprint


def test_fingerprint_does_not_change_with_words(view):
    reworded = replace(view, description="other", owner="other", features=(TableFeature("doubled", "other", "other"),))

    assert reworded.fingerprint == view.fingerprint


def test_both_kinds_of_view_are_told_apart_by_nothing_that_a_reader_needs():
    for name, view in VIEWS.items():
        assert view.name == name
        assert view.sources[0].name
        assert {"event_time", "available_at"} <= set(view.key_columns)
        assert len(view.fingerprint) == 64
        assert callable(view.compute)
        assert isinstance(view.feature_names, tuple)
        assert set(view.row_name) <= set(view.key_columns)
