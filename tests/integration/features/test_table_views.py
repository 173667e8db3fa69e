"""Views over tables become feature versions on the same line as views over events."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import polars as pl
import pytest

import feature_store.views
from feature_store.sources import empty_rows
from feature_store.views import VIEWS
from feature_store.views.equity_daily import EQUITY_DAILY, recent_state
from feature_store.views.ledger_monthly import LEDGER_MONTHLY
from ledgerline.audit.column_impact import column_impact
from ledgerline.audit.verify import entries_holding
from ledgerline.cli.evidence import describe_columns
from ledgerline.core.clock import FixedClock
from ledgerline.core.contracts import CONTRACTS
from ledgerline.core.settings import Settings
from pipelines.features import build, due_views, read_features, restore, versions
from pipelines.features.errors import NothingAccepted, NotReproducible, RolesDisagree
from pipelines.features.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC
AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
MAPPING = """
name: small
as_of: 2024-06-01T00:00:00Z
datasets:
  ledger:
    files: ledger.csv
    columns: {entity_id: e, account: a, amount: x, event_time: t, available_at: {after: event_time, delay: 0s}}
  prices_daily:
    files: prices.csv
    as_of: 2024-05-01T00:00:00Z
    columns: {symbol: s, open: o, high: o, low: o, close: o, volume: v, adjustment: {constant: raw},
              asset_class: {constant: equity}, event_time: t, available_at: {after: event_time, delay: 0s}}
  posts:
    files: posts.csv
    columns: {post_id: p, symbol: s, text: x, event_time: t, available_at: {after: event_time, delay: 0s}}
"""


@pytest.fixture
def project(project):
    """The small project, with a suite for every contract."""
    for name in CONTRACTS:
        suite = project / "great_expectations" / "expectations" / f"{name}.json"
        if not suite.exists():
            suite.write_text(json.dumps({"expectations": [], "meta": {"max_quarantined_share": 1.0}}))
    return project


def figures(first: int, last: int, *, factor: float = 1.0, known: timedelta = timedelta(days=3)) -> pl.DataFrame:
    """Return two accounts' figures of some months, counted from January 2023."""
    rows = [
        {
            "entity_id": "north",
            "account": account,
            "amount": factor * (100 + 7 * month),
            "event_time": datetime(2023 + (month + 1) // 12, (month + 1) % 12 + 1, 1, tzinfo=UTC),
        }
        for account in ("revenue", "cost")
        for month in range(first, last)
    ]
    schema = empty_rows(CONTRACTS["ledger"]).schema
    frame = pl.DataFrame(rows, schema={name: schema[name] for name in rows[0]})
    return frame.with_columns(category=pl.lit(None, pl.String), available_at=pl.col("event_time") + known)


def tables_of_prices(sessions: int = 60) -> dict[str, pl.DataFrame]:
    """Return bars of two shares and a post about one of them each session."""
    closes = 50 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.02, sessions)))
    bars, posts = [], []
    for session, close in enumerate(closes):
        at = datetime(2024, 1, 2, 21, tzinfo=UTC) + timedelta(days=session)
        for number, symbol in enumerate(("AAA", "BBB"), start=1):
            price = {name: float(close * number) for name in ("open", "high", "low", "close")}
            rest = {"adjusted_close": None, "volume": 10.0, "adjustment": "raw", "asset_class": "equity"}
            bars.append({"symbol": symbol, **price, **rest, "event_time": at, "available_at": at})
        posts.append({"post_id": str(session), "symbol": "AAA", "text": "good", "event_time": at, "available_at": at})
    rows: Mapping[str, list] = {"prices_daily": bars, "posts": posts}
    return {name: pl.DataFrame(each, schema=empty_rows(CONTRACTS[name]).schema) for name, each in rows.items()}


def applications(*names: str, portfolio: str, **own) -> pl.DataFrame:
    at = datetime(2024, 3, 1, tzinfo=UTC)
    rows = [
        {"application_id": name, "portfolio": portfolio, "defaulted": None, "outcome_at": None, "dated": False,
         "event_time": at, "available_at": at, **own}
        for name in names
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides=empty_rows(CONTRACTS["applications"]).schema)


def manifest_of(ledger, version):
    return json.loads(ledger.objects.get(version.manifest_sha256))


def files_by_span(ledger, version):
    return {partition["date"]: partition["path"] for partition in manifest_of(ledger, version)["partitions"]}


def test_version_holds_what_the_view_computes_from_all_accepted_rows(ledger, accept):
    accept(ledger, "ledger", figures(6, 16))
    accept(ledger, "ledger", figures(0, 6))

    version = build(ledger, "ledger_monthly", as_of=AS_OF)

    expected = LEDGER_MONTHLY.compute({"ledger": pl.concat([figures(0, 6), figures(6, 16)])})
    assert read_features(ledger, version.id).collect().equals(expected)
    assert (version.rows, version.partitions, version.built) == (32, 2, True)
    manifest = manifest_of(ledger, version)
    assert manifest["features"] == list(LEDGER_MONTHLY.feature_names)
    assert manifest["online_state"] is None
    assert list(files_by_span(ledger, version)) == ["2023", "2024"]


def test_rows_that_became_available_later_are_not_read(ledger, accept):
    accept(ledger, "ledger", figures(0, 16))

    version = build(ledger, "ledger_monthly", as_of=datetime(2024, 1, 15, tzinfo=UTC))

    assert read_features(ledger, version.id).collect()["available_at"].max() == datetime(2024, 1, 4, tzinfo=UTC)


def test_building_again_changes_nothing(ledger, accept, fingerprints):
    accept(ledger, "ledger", figures(0, 6))
    first = build(ledger, "ledger_monthly", as_of=AS_OF)
    workspace = Workspace(ledger.settings, ledger.clock)
    before = fingerprints(workspace.path / "data"), workspace.git.run("rev-parse", "HEAD"), entries_holding(ledger.log)

    again = build(ledger, "ledger_monthly", as_of=AS_OF)

    after = fingerprints(workspace.path / "data"), workspace.git.run("rev-parse", "HEAD"), entries_holding(ledger.log)
    assert (again.id, again.built, after) == (first.id, False, before)


def test_new_and_restated_figures_touch_only_the_files_that_they_change(ledger, accept):
    accept(ledger, "ledger", figures(0, 12))
    first = files_by_span(ledger, build(ledger, "ledger_monthly", as_of=AS_OF))
    folder = ledger.settings.workspace_path
    written = (folder / first["2023"]).stat().st_mtime_ns

    accept(ledger, "ledger", figures(12, 13))
    second = files_by_span(ledger, build(ledger, "ledger_monthly", as_of=AS_OF))
    accept(ledger, "ledger", figures(10, 11, factor=2.0, known=timedelta(days=70)))  # known from 2024-02-09 on
    third = files_by_span(ledger, build(ledger, "ledger_monthly", as_of=AS_OF))

    assert second == first | {"2024": second["2024"]}
    assert second["2024"] != first["2024"]
    assert third == second  # nothing was decided after the restatement yet

    accept(ledger, "ledger", figures(13, 15))
    fourth = files_by_span(ledger, build(ledger, "ledger_monthly", as_of=AS_OF))
    assert fourth == third | {"2024": fourth["2024"]}
    march = pl.read_parquet(folder / fourth["2024"]).filter(pl.col("event_time") == datetime(2024, 3, 1, tzinfo=UTC))
    assert march["lag_3"].to_list() == [2 * (100 + 7 * 10)] * 2
    assert (folder / fourth["2023"]).stat().st_mtime_ns == written


def test_order_in_which_files_came_does_not_matter(open_home, accept):
    one, other = open_home("one"), open_home("other")
    for ledger, spans in ((one, ((0, 4), (4, 8))), (other, ((4, 8), (0, 4)))):
        for first, last in spans:
            accept(ledger, "ledger", figures(first, last))

    assert build(one, "ledger_monthly", as_of=AS_OF).id == build(other, "ledger_monthly", as_of=AS_OF).id


def test_damaged_file_is_written_again_and_any_version_is_restored_byte_for_byte(ledger, accept, tmp_path):
    accept(ledger, "ledger", figures(0, 3))
    first = build(ledger, "ledger_monthly", as_of=AS_OF)
    path = files_by_span(ledger, first)["2023"]
    sealed = (ledger.settings.workspace_path / path).read_bytes()
    (ledger.settings.workspace_path / path).write_bytes(sealed[:-1])
    accept(ledger, "ledger", figures(12, 13))

    build(ledger, "ledger_monthly", as_of=AS_OF)

    assert (ledger.settings.workspace_path / path).read_bytes() == sealed
    restored = restore(ledger, first.id, tmp_path / "restored")
    assert (tmp_path / "restored" / path).read_bytes() == sealed
    assert len(restored) == 2


def test_view_that_computes_other_values_from_the_same_inputs_is_noticed(ledger, accept, monkeypatch):
    accept(ledger, "ledger", figures(0, 3))
    version = build(ledger, "ledger_monthly", as_of=AS_OF)
    Workspace(ledger.settings, ledger.clock).git.run("tag", "--delete", version.tag)
    computation = LEDGER_MONTHLY.computation
    monkeypatch.setitem(
        LEDGER_MONTHLY.__dict__, "computation", lambda tables: computation(tables).with_columns(pl.col("lag_1") + 1)
    )

    with pytest.raises(NotReproducible, match="ledger_monthly"):
        build(ledger, "ledger_monthly", as_of=AS_OF)

    assert [leaf.id for leaf in versions(ledger, "ledger_monthly")] == [version.id]


def test_view_that_declares_no_probe_is_built_and_says_of_no_column_that_it_is_read(ledger, accept, monkeypatch):
    silent = replace(LEDGER_MONTHLY, name="silent", probe=None)
    monkeypatch.setattr(feature_store.views, "VIEWS", {**VIEWS, "silent": silent})
    accept(ledger, "ledger", figures(0, 3))

    version = build(ledger, "silent", as_of=AS_OF)

    leaf = ledger.log.get(version.id)
    assert read_features(ledger, version.id).collect().equals(silent.compute({"ledger": figures(0, 3)}))
    assert "declares no probe" in str(describe_columns(leaf))
    build(ledger, "ledger_monthly", as_of=AS_OF)
    found = column_impact(ledger.log, "ledger.amount")
    assert (found.silent, list(found.features)) == (1, ["ledger_monthly"])


def test_daily_prices_keep_the_recent_past_that_live_features_go_on_from(ledger, accept):
    tables = tables_of_prices()
    for name, rows in tables.items():
        accept(ledger, name, rows)

    version = build(ledger, "equity_daily", as_of=AS_OF)

    assert read_features(ledger, version.id).collect().equals(EQUITY_DAILY.compute(tables))
    named = json.loads(ledger.objects.get(manifest_of(ledger, version)["online_state"]))
    kept = {name: pl.read_parquet(BytesIO(ledger.objects.get(sha256))) for name, sha256 in named.items()}
    assert set(kept) == {contract.name for contract in EQUITY_DAILY.sources}
    assert kept["prices_daily"].equals(recent_state(tables, AS_OF)["prices_daily"])
    assert {role for role, _ in ledger.log.parents(version.id)} == {"accepted"}
    assert len(ledger.log.parents(version.id)) == 2
    assert list(files_by_span(ledger, version)) == ["2024-01", "2024-02", "2024-03"]


def test_applications_of_several_lenders_stand_in_one_version_without_protected_columns(ledger, accept):
    feeds = ("loans", "cards")
    loans = applications("a", "b", portfolio="loans", income=10.0, loan_amount=5.0, purpose="car", sex="f")
    cards = applications("x", portfolio="cards", LIMIT=7.0, income=3.0, race="w")
    roles = {"income": "numeric", "loan_amount": "numeric", "purpose": "categorical", "sex": "protected"}
    accept(ledger, "applications", loans, roles=roles, feed="loans", feeds=feeds)
    roles = {"LIMIT": "numeric", "income": "numeric", "race": "protected"}
    accept(ledger, "applications", cards, roles=roles, feed="cards", feeds=feeds)

    version = build(ledger, "credit_application", as_of=AS_OF)

    features = read_features(ledger, version.id).collect()
    assert manifest_of(ledger, version)["features"] == ["LIMIT", "income", "loan_amount", "purpose", "income_to_loan"]
    assert features.sort("application_id").select("application_id", "LIMIT", "purpose", "income_to_loan").rows() == [
        ("a", None, "car", 2.0),
        ("b", None, "car", 2.0),
        ("x", 7.0, None, None),
    ]


def test_column_that_is_a_number_to_one_lender_and_a_category_to_another_is_refused(ledger, accept):
    feeds = ("loans", "cards")
    for feed, value, role in (("loans", 1.0, "numeric"), ("cards", "low", "categorical")):
        rows = applications(feed, portfolio=feed, grade=value)
        accept(ledger, "applications", rows, roles={"grade": role}, feed=feed, feeds=feeds)

    with pytest.raises(RolesDisagree, match="grade"):
        build(ledger, "credit_application", as_of=AS_OF)


def test_view_without_accepted_rows_of_its_first_source_is_not_built(ledger, accept):
    accept(ledger, "posts", tables_of_prices(3)["posts"])

    with pytest.raises(NothingAccepted, match="prices_daily"):
        build(ledger, "equity_daily", as_of=AS_OF)


@pytest.fixture
def ledger_with_source(project, tmp_path):
    """An installation whose source maps ledgers, prices and posts."""
    from ledgerline.audit import Ledger

    data, mapping = tmp_path / "data", tmp_path / "mapping.yaml"
    data.mkdir()
    mapping.write_text(MAPPING)
    settings = Settings(home=tmp_path / "home", project=project, data=data, mapping=mapping)
    return Ledger.open(settings, FixedClock(AS_OF))


def test_views_are_due_once_all_that_their_source_has_stands_accepted_and_until_they_are_built(
    ledger_with_source, accept
):
    ledger, tables = ledger_with_source, tables_of_prices()
    assert due_views(ledger) == []

    accept(ledger, "prices_daily", tables["prices_daily"])
    assert due_views(ledger) == []  # the source has posts too

    accept(ledger, "posts", tables["posts"])
    accept(ledger, "ledger", figures(0, 3))
    assert due_views(ledger) == ["equity_daily", "ledger_monthly"]

    built = build(ledger, "equity_daily")
    assert manifest_of(ledger, built)["as_of"] == "2024-05-01T00:00:00.000000Z"
    assert due_views(ledger) == ["ledger_monthly"]

    build(ledger, "ledger_monthly")
    accept(ledger, "ledger", figures(3, 4))
    assert due_views(ledger) == ["ledger_monthly"]
