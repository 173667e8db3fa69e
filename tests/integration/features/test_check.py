"""The check of a sealed version: real views pass, and whatever is planted is found and refused by the gate."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import feature_store.views
from feature_store.features import EventSequence, Measure, RowExpression, Source
from feature_store.lookahead import Found
from feature_store.table_view import TableFeature, TableView
from feature_store.transforms import Divided
from feature_store.versions.manifest import Manifest
from feature_store.views import VIEWS
from feature_store.views.card_spending import CARD_SPENDING
from ledgerline.audit import Kind, Leaf
from ledgerline.cli.main import app
from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS
from ledgerline.core.identity import sha256_bytes
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.core.storage import write_atomically
from pipelines.features import build, check
from pipelines.features.errors import OtherDefinition
from pipelines.features.outcomes import OUTCOMES
from pipelines.monitoring.feature_page import describe, render
from pipelines.monitoring.feature_page.profile import Shape
from pipelines.validation.accepted import parquet_bytes

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC
VIEW = "card_spending"


@pytest.fixture
def plant(monkeypatch):
    """Declare a view beside the real ones, or in the place of one, with the outcome of payments."""

    def declare(view):
        monkeypatch.setattr(feature_store.views, "VIEWS", {**VIEWS, view.name: view})
        monkeypatch.setattr("pipelines.features.outcomes.OUTCOMES", {**OUTCOMES, view.name: OUTCOMES[VIEW]})
        return view.name

    return declare


def over_tables(computation, name="planted"):
    return TableView(
        name=name,
        description="A planted leak.",
        owner="tests",
        sources=(TRANSACTIONS, FRAUD_LABELS),
        key_columns=("transaction_id", "event_time", "available_at"),
        features=(TableFeature(name, "", ""),),
        computation=lambda tables: computation(
            tables["transactions"].sort("available_at", "transaction_id"), tables["fraud_labels"]
        ).select("transaction_id", "event_time", "available_at", pl.col(name).cast(pl.Float64)),
        probe=lambda _: _probe(),
    )


def _probe():
    at = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 20), "1d", time_zone="UTC", eager=True)
    random, ids = np.random.default_rng(1), [str(number) for number in range(at.len())]
    events = pl.DataFrame(
        {
            "transaction_id": ids,
            "customer_id": "c",
            "terminal_id": "t",
            "amount_minor": random.integers(1, 99, at.len()),
            "currency": "EUR",
            "event_time": at,
            "available_at": at,
        }
    )
    said = pl.Series(random.random(at.len()) < 0.5)
    labels = events.select(
        "transaction_id", is_fraud=said, scenario=pl.lit(None, pl.Int64), event_time="event_time", available_at=at
    )
    return {"transactions": events, "fraud_labels": labels}


def test_real_view_leaks_nothing(ledger, deliver, midnights):
    deliver(ledger, 0, 25)
    version = build(ledger, VIEW, as_of=midnights(25))

    found = check(ledger, VIEW, cuts=2)

    assert found.passed
    assert (found.version, found.features, found.rows) == (version.id, 15, version.rows)
    assert len(found.cuts) >= 4  # two spread evenly, and two around the latest payment
    assert found.strongest is not None
    assert 0.5 <= found.strongest.auc < 0.8
    assert "no value looks ahead" in str(found)


def test_view_with_a_sequence_is_checked_and_described_as_any_other(ledger, deliver, midnights, plant):
    newest = EventSequence(
        name="newest_amounts",
        by="customer_id",
        of=Measure(Source.EVENTS, "amount_minor"),
        rows=3,
        over=timedelta(days=5),
        description="",
        unit="",
    )
    name = plant(replace(CARD_SPENDING, name="with_sequence", features=(*CARD_SPENDING.features[:2], newest)))
    deliver(ledger, 0, 12)
    version = build(ledger, name, as_of=midnights(12))
    policy = "policies/monitoring.yaml"
    write_atomically(ledger.settings.project / policy, (PROJECT_ROOT / policy).read_bytes())

    found = check(ledger, name, cuts=1)
    described = describe(ledger, name)

    assert (found.passed, found.features) == (True, 3)
    (amounts,) = (each.profile for each in described.features if each.name == "newest_amounts")
    assert (amounts.shape, amounts.exact.rows) == (Shape.LENGTH, version.rows)
    assert (amounts.exact.low, amounts.exact.high) == (1.0, 3.0)
    assert "newest_amounts" in render(described)


def test_only_the_newest_rows_are_looked_at_when_there_are_many(ledger, deliver, midnights):
    deliver(ledger, 0, 45)
    build(ledger, VIEW, as_of=midnights(45))
    found = check(ledger, VIEW, cuts=2, rows=100)
    assert found.passed
    assert 90 < found.rows <= 100
    assert min(found.cuts) > found.since > midnights(42)


def test_feature_that_reads_the_next_row_is_found(ledger, deliver, midnights, plant):
    name = plant(over_tables(lambda rows, _: rows.with_columns(planted=pl.col("amount_minor").shift(-1))))
    deliver(ledger, 0, 12)
    build(ledger, name, as_of=midnights(12))

    found = check(ledger, name, cuts=1)

    assert found.leaking == ("planted",)
    assert {leak.found for leak in found.leaks} == {Found.WITHHELD, Found.SCRAMBLED}
    assert all(leak.rows == 1 for leak in found.leaks)  # the last row before each cut


def test_share_of_outcomes_that_were_not_known_yet_is_found_by_scrambling_them_alone(ledger, deliver, midnights, plant):
    def risk(rows, labels):
        told = rows.join(labels.select("transaction_id", "is_fraud"), on="transaction_id", how="left")
        before = pl.col("is_fraud").fill_null(False).cast(pl.Int64).cum_sum().shift(1).fill_null(0)
        return told.with_columns(planted=before.over("terminal_id"))

    name = plant(over_tables(risk))
    deliver(ledger, 0, 12)
    build(ledger, name, as_of=midnights(12))

    found = check(ledger, name, cuts=1)

    assert found.leaking == ("planted",)
    assert Found.OUTCOMES_SCRAMBLED in {leak.found for leak in found.leaks}


@pytest.fixture
def telling(history):
    """Payments whose amount is what became of them."""
    said = history.labels["is_fraud"]
    return replace(history, transactions=history.transactions.with_columns(amount_minor=said.cast(pl.Int64) * 100 + 7))


@pytest.fixture
def told(ledger, telling, plant, accept, midnights):
    """A sealed view over payments with a column of them that is the outcome under another name."""
    view = replace(
        CARD_SPENDING,
        features=(
            RowExpression("chargeback_fee", "amount_minor", Divided(by=100), "", ""),
            *CARD_SPENDING.features[1:],
        ),
    )
    plant(view)
    for dataset, rows in zip(("transactions", "fraud_labels"), telling.of_days(0, 15), strict=True):
        accept(ledger, dataset, rows)
    build(ledger, VIEW, as_of=midnights(15))
    return ledger


def test_column_that_is_the_outcome_under_another_name_is_found(told):
    found = check(told, VIEW, cuts=1)

    assert found.leaking == ("chargeback_fee",)
    (leak,) = found.leaks
    assert (leak.found, found.strongest.auc) == (Found.TELLTALE, 1.0)
    assert "fraud_labels.is_fraud" in leak.example


def test_command_says_what_leaks_and_fails(told, monkeypatch):
    monkeypatch.setenv("LEDGERLINE_HOME", str(told.settings.home))
    run = CliRunner().invoke(app, ["features", "check", VIEW, "--cuts", "1", "--json"])
    assert run.exit_code == 1
    said = json.loads(run.stdout)
    assert [leak["column"] for leak in said["leaks"]] == ["chargeback_fee"]

    shown = CliRunner().invoke(app, ["features", "check", VIEW, "--cuts", "1"])
    assert shown.exit_code == 1
    assert re.search(r"chargeback_fee.*tells the outcome", shown.stdout)


def test_command_says_in_one_line_that_nothing_leaks(ledger, deliver, midnights, monkeypatch):
    deliver(ledger, 0, 12)
    build(ledger, VIEW, as_of=midnights(12))
    monkeypatch.setenv("LEDGERLINE_HOME", str(ledger.settings.home))
    run = CliRunner().invoke(app, ["features", "check", VIEW, "--cuts", "1"])
    assert run.exit_code == 0
    assert len(run.stdout.strip().splitlines()) == 1


def test_version_of_another_definition_is_not_checked_but_refused(ledger, deliver, midnights, plant):
    deliver(ledger, 0, 5)
    build(ledger, VIEW, as_of=midnights(5))
    plant(replace(CARD_SPENDING, features=CARD_SPENDING.features[:5]))
    with pytest.raises(OtherDefinition, match="build the features again"):
        check(ledger, VIEW)


def test_sealed_value_that_its_rows_do_not_give_is_found(ledger, deliver, midnights):
    """As after a change of code that no fingerprint noticed: the rows sealed then are not what this code computes."""
    deliver(ledger, 0, 12)
    version = build(ledger, VIEW, as_of=midnights(12))
    manifest = Manifest.from_bytes(ledger.objects.get(version.manifest_sha256))
    last = manifest.partitions[-1]
    path = ledger.settings.workspace_path / last.path
    other = parquet_bytes(pl.read_parquet(path).with_columns(amount=pl.col("amount") + 1))
    path.write_bytes(other)
    changed = replace(manifest, partitions=(*manifest.partitions[:-1], replace(last, sha256=sha256_bytes(other))))
    ledger.objects.put(changed.to_bytes())
    leaf = ledger.log.get(version.id)
    sealed = ledger.log.append(Leaf(Kind.FEATURE_VERSION, changed.identity, leaf.detail))

    found = check(ledger, VIEW, version=sealed, cuts=1)
    assert [(leak.column, leak.found, leak.rows) for leak in found.leaks] == [("amount", Found.SEALED, last.rows)]
