"""What `FeatureStore` promises, against a workspace that the real build sealed."""

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_store.views
from feature_store import FeatureStore
from feature_store.definition import Definition
from feature_store.errors import (
    DecisionsAfterVersion,
    DefinitionChanged,
    NoLongerKept,
    RemoteDamaged,
    SourceInvalid,
    UnknownFeature,
    UnknownView,
    VersionUnknown,
    WorkspaceNotFound,
)
from feature_store.views import CARD_SPENDING, FEATURE_SETS, VIEWS
from ledgerline.core.identity import sha256_file
from ledgerline.core.storage import ObjectCorrupt, ObjectStore

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC

INSTANT = pl.Datetime("us", "UTC")


def decisions(installation, count=60, *, before=None) -> pl.DataFrame:
    """Return decisions about customers and terminals, in no order, two of them alike, with a label."""
    known = installation.transactions
    if before is not None:
        known = known.filter(pl.col("available_at") < before - timedelta(hours=3))
    drawn = known.sample(count, seed=4, shuffle=True)
    rows = pl.concat([drawn, drawn.head(1)])
    return rows.select(
        "customer_id",
        "terminal_id",
        at=pl.col("available_at") + timedelta(hours=2),
        label=pl.int_range(pl.len()),
    )


def by_definition(installation, row) -> dict:
    """Return the features of one decision as the plain definition gives them, from everything known by then."""
    definition = Definition(CARD_SPENDING)
    known = pl.col("available_at") <= row["at"]
    events = {
        event.id: event
        for event in map(definition.event, installation.transactions.filter(known).iter_rows(named=True))
    }
    for label in installation.labels.filter(known).sort("available_at").iter_rows(named=True):
        event_id, _, said = definition.label(label)
        if event_id in events:
            events[event_id].labels = (*events[event_id].labels, said)
    seen = [
        [event for event in events.values() if event.entities[place] == row[entity]]
        for place, entity in enumerate(CARD_SPENDING.entities)
    ]
    at = int((row["at"] - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
    return definition.vector(seen, at, None)


# Training sets of a view over events.


def test_every_entity_row_is_there_once_in_order_with_its_own_columns(store, installation):
    entities = decisions(installation)

    joined = store.training_set("fraud", entities)

    assert joined.columns == [*entities.columns, *CARD_SPENDING.feature_names]
    assert_frame_equal(joined.select(entities.columns), entities)
    assert joined.row(0)[4:] == joined.row(-1)[4:]  # the decision that is there twice


def test_windows_are_as_of_each_decision_and_not_of_the_last_event(store, installation):
    entities = decisions(installation, 25)

    joined = store.training_set("fraud", entities)

    for row in joined.iter_rows(named=True):
        expected = by_definition(installation, row)
        assert {name: row[name] for name in expected} == expected  # to the last bit
    assert joined["customer_count_7d"].n_unique() > 5
    assert joined["terminal_risk_30d"].n_unique() > 5


def test_pandas_in_gives_pandas_out_with_the_same_values_and_the_same_index(store, installation):
    entities = decisions(installation)
    frame = entities.to_pandas().set_index(pd.Index([*range(entities.height - 1), 0], name="case"))  # one stands twice

    joined = store.training_set("fraud", frame)

    assert isinstance(joined, pd.DataFrame)
    assert joined.index.equals(frame.index)
    pd.testing.assert_frame_equal(joined[list(frame.columns)], frame)
    expected = store.training_set("fraud", entities).select(CARD_SPENDING.feature_names).to_pandas()
    pd.testing.assert_frame_equal(joined[list(expected.columns)].reset_index(drop=True), expected)


def test_decisions_in_another_time_zone_are_the_same_instants(store, installation):
    entities = decisions(installation)
    expected = store.training_set("fraud", entities, keep=[])

    for zone in ("Europe/Paris", "America/New_York"):
        elsewhere = entities.with_columns(pl.col("at").dt.convert_time_zone(zone))
        assert_frame_equal(store.training_set("fraud", elsewhere, keep=[]), expected)
        assert store.training_set("fraud", elsewhere).schema["at"] == pl.Datetime("us", zone)
    offset = entities.to_pandas()
    offset["at"] = offset["at"].dt.tz_convert("+05:30")
    assert_frame_equal(pl.from_pandas(store.training_set("fraud", offset, keep=["label"])).drop("label"), expected,
                       check_dtypes=False)  # fmt: skip


def test_an_event_that_is_named_gets_its_sealed_row(store, installation):
    events = installation.transactions.sample(50, seed=2).select("transaction_id")

    joined = store.training_set("fraud", events)

    everything = CARD_SPENDING.compute({"transactions": installation.transactions, "fraud_labels": installation.labels})
    expected = events.join(everything, on="transaction_id", how="left", maintain_order="left")
    assert_frame_equal(joined, expected.select("transaction_id", *CARD_SPENDING.feature_names))
    assert joined["amount"].null_count() == 0


def test_an_unknown_event_and_one_that_came_after_the_decision_have_nulls_and_keep_their_rows(store, installation):
    came = installation.transactions.row(100, named=True)
    entities = pl.DataFrame(
        {
            "transaction_id": [came["transaction_id"], "unheard of", None, came["transaction_id"]],
            "at": [came["available_at"], came["available_at"], came["available_at"],
                   came["available_at"] - timedelta(microseconds=1)],
        },
        schema_overrides={"at": INSTANT},
    )  # fmt: skip

    joined = store.training_set("fraud", entities)

    assert [amount is None for amount in joined["amount"]] == [False, True, True, True]
    assert joined["transaction_id"].equals(entities["transaction_id"])


def test_entities_that_nobody_has_seen_have_what_the_view_says_of_no_events(store, installation):
    at = installation.transactions["available_at"].max()
    entities = pl.DataFrame({"customer_id": ["nobody", None], "terminal_id": ["nowhere", None], "at": [at, at]})

    joined = store.training_set("fraud", entities.cast({"at": INSTANT}))

    assert joined["customer_count_30d"].to_list() == [0, 0]
    assert joined["amount"].to_list() == [None, None]


def test_what_a_later_version_has_learnt_does_not_change_the_past(store, installation):
    older, newer = store.versions("card_spending")
    entities = decisions(installation, before=older.as_of)

    past = store.training_set("fraud", entities, version=older)

    assert newer.as_of > older.as_of
    assert_frame_equal(store.training_set("fraud", entities, version=newer), past)


def test_a_decision_later_than_the_version_is_answered_with_a_warning_and_nothing_later(store, installation, history):
    version = store.versions("card_spending")[-1]
    later = version.as_of + timedelta(hours=12)
    came_since = history.transactions.filter(pl.col("available_at").is_between(version.as_of, later, closed="right"))
    customer = came_since["customer_id"][0]
    entities = pl.DataFrame({"customer_id": [customer], "terminal_id": ["0"], "at": [later]}).cast({"at": INSTANT})

    with pytest.warns(DecisionsAfterVersion, match=r"1 of 1 decisions.*ledgerline features build card_spending"):
        joined = store.training_set("fraud", entities)

    expected = by_definition(installation, entities.row(0, named=True))
    assert joined["customer_count_7d"][0] == expected["customer_count_7d"]
    of_customer = pl.col("customer_id") == customer
    everything = history.transactions.filter(of_customer, pl.col("available_at") <= later)
    in_window = everything.filter(pl.col("event_time") > later - timedelta(days=7)).height
    assert joined["customer_count_7d"][0] < in_window


def test_no_rows_give_no_rows_of_the_same_columns(store, installation):
    entities = decisions(installation)

    assert store.training_set("fraud", entities.clear()).schema == store.training_set("fraud", entities).schema


# Training sets of a view over tables.


def ledger_rows(*instants: datetime) -> pl.DataFrame:
    count = len(instants)
    rows = {"entity_id": ["north"] * count, "account": ["revenue"] * count, "at": instants}
    return pl.DataFrame(rows, schema_overrides={"at": INSTANT})


def test_a_row_shows_from_the_instant_on_at_which_it_was_available_and_never_before(store):
    known = datetime(2024, 3, 4, tzinfo=UTC)

    joined = store.training_set("forecast", ledger_rows(known - timedelta(microseconds=1), known))

    assert joined["month"].to_list() == [12.0, 2.0]  # the last month known; January's books are late
    assert joined["amount"].to_list() == [112.0, 114.0]


def test_a_late_row_about_an_older_month_does_not_take_the_newer_ones_place(store, installation):
    late = datetime(2024, 3, 10, tzinfo=UTC)

    joined = store.training_set("forecast", ledger_rows(late - timedelta(days=1), late, late + timedelta(days=1)))

    assert joined["amount"].to_list() == [114.0] * 3
    sealed = store.rows("ledger_monthly").filter(pl.col("available_at") == late).collect()
    assert sealed["amount"].to_list() == [113.0]  # it is there


@pytest.mark.filterwarnings("ignore::feature_store.errors.DecisionsAfterVersion")
def test_a_share_that_no_longer_trades_has_nulls_beyond_the_ttl_and_keeps_its_row(store, installation):
    ttl = VIEWS["equity_daily"].ttl
    instants = [installation.last_bar, installation.last_bar + ttl, installation.last_bar + ttl + timedelta(seconds=1)]
    entities = pl.DataFrame({"symbol": ["AAA"] * 3, "at": instants}, schema_overrides={"at": INSTANT})

    joined = store.training_set(["price"], entities)

    assert [value is None for value in joined["return_1d"]] == [False, False, True]


def test_features_of_several_views_stand_side_by_side(store, installation):
    entities = decisions(installation).with_columns(
        entity_id=pl.lit("north"), account=pl.lit("revenue"), at=pl.lit(datetime(2024, 4, 8, tzinfo=UTC)).cast(INSTANT)
    )

    joined = store.training_set(
        ["ledger_monthly:lag_1", "card_spending:customer_count_7d", "ledger_monthly:amount"], entities, keep=["label"]
    )

    assert joined.columns == ["label", "lag_1", "amount", "customer_count_7d"]
    assert joined["lag_1"].unique().to_list() == [114.0]
    assert joined["amount"].unique().to_list() == [115.0]


def test_an_application_is_looked_up_by_its_id_with_the_features_that_its_data_named(store):
    entities = pl.DataFrame(
        {
            "application_id": ["second", "first", "third"],
            "portfolio": ["loans", "loans", "loans"],
            "at": [datetime(2024, 3, 2, tzinfo=UTC)] * 3,
        },
        schema_overrides={"at": INSTANT},
    )

    joined = store.training_set("credit", entities)

    assert joined["income"].to_list() == [None, 2_500.0, None]
    assert joined["purpose"].to_list() == ["house", "car", None]
    with pytest.raises(UnknownFeature, match="'incom'; did you mean 'income'"):
        store.training_set("credit_application:incom", entities)


# Online.


@pytest.mark.filterwarnings("ignore::feature_store.errors.DecisionsAfterVersion")
@pytest.mark.parametrize("objects", ["reachable", "none", "empty"])
def test_online_and_training_set_give_the_same_for_the_same_decision(installation, tmp_path, objects):
    url = {"reachable": installation.settings.objects_url, "none": None, "empty": str(tmp_path)}[objects]
    store = FeatureStore.open(installation.settings.workspace_path, objects_url=url)
    as_of = store.versions("card_spending")[-1].as_of
    names = [("3", "7"), ("11", "2"), ("nobody", "5"), (None, "5")]
    rows = [(*pair, as_of + timedelta(hours=hours)) for pair in names for hours in (0, 5, 200, 2_000)]
    entities = pl.DataFrame(
        rows, schema={"customer_id": pl.String, "terminal_id": pl.String, "at": INSTANT}, orient="row"
    )

    online = store.online("fraud")

    joined = store.training_set("fraud", entities).select(CARD_SPENDING.feature_names)
    answers = [online.get(customer_id=customer, terminal_id=terminal, at=at) for customer, terminal, at in rows]
    assert [dict(answer) for answer in answers] == list(joined.iter_rows(named=True))
    assert joined["terminal_risk_30d"].max() > 0
    assert joined["customer_count_30d"].n_unique() > 4


@pytest.mark.filterwarnings("ignore::feature_store.errors.DecisionsAfterVersion")
def test_online_and_training_set_agree_about_views_over_tables(store, installation):
    of_ledger = {"entity_id": "north", "account": "revenue"}
    of_credit = {"application_id": "first", "portfolio": "loans"}
    for names, key, days in (
        ("forecast", of_ledger, 0),
        ("credit", of_credit, 0),
        (["forecast", "credit"], of_ledger | of_credit, 400),
        ("price", {"symbol": "AAA"}, 0),
        ("price", {"symbol": "AAA"}, 9),  # ten days after the last session
        ("price", {"symbol": "AAA"}, 10),
    ):
        online = store.online(names)
        at = online.versions[0].as_of + timedelta(days=days)
        entities = pl.DataFrame({**{column: [value] for column, value in key.items()}, "at": [at]})

        answer = online.get(at=at, **key)

        assert dict(answer) == store.training_set(names, entities.cast({"at": INSTANT}), keep=[]).row(0, named=True)
        assert all(value is None for value in answer.values()) == (days == 10)


@pytest.mark.parametrize(
    ("names", "key"), [("credit", "application_id"), ("price", "symbol"), ("fraud", "terminal_id")]
)
def test_online_refuses_a_key_of_another_type(store, names, key):
    online = store.online(names)
    known = dict.fromkeys(online.entities, "1")

    online.get(at=online.versions[0].as_of, **known)
    with pytest.raises(SourceInvalid, match=f"{key} is 1; it must be text or None"):
        online.get(at=online.versions[0].as_of, **known | {key: 1})


def test_online_answers_no_decision_before_the_version_and_says_who_does(store):
    online = store.online("fraud")
    as_of = online.versions[0].as_of

    with pytest.raises(NoLongerKept, match=r"is before what card_spending \w+ is as of.*training_set"):
        online.get(customer_id="1", terminal_id="1", at=as_of - timedelta(microseconds=1))
    with pytest.raises(SourceInvalid, match="no time zone"):
        online.get(customer_id="1", terminal_id="1", at=as_of.replace(tzinfo=None))
    with pytest.raises(SourceInvalid, match="no decision names 'custmer_id'; did you mean 'customer_id'"):
        online.get(custmer_id="1", terminal_id="1", at=as_of)
    with pytest.raises(SourceInvalid, match="customer_id, terminal_id; terminal_id is missing"):
        online.get(customer_id="1", at=as_of)


def test_online_answers_some_features_and_prints_them(store):
    online = store.online(["card_spending:terminal_count_7d", "card_spending:amount"])

    answer = online.get(customer_id="1", terminal_id="1", at=online.versions[0].as_of)

    assert list(answer) == ["terminal_count_7d", "amount"]
    assert repr(answer).splitlines()[0] == "customer_id=1, terminal_id=1, at 2024-04-14T00:00:00.000000Z"
    assert repr(answer).splitlines()[-1].split() == ["amount", "null"]
    assert "<td" in answer._repr_html_()
    with pytest.raises(KeyError, match="did you mean 'amount'"):
        answer["amonut"]


def test_state_that_was_changed_is_never_answered_from(installation, tmp_path):
    objects = shutil.copytree(installation.settings.objects_url, tmp_path / "objects")
    store = FeatureStore.open(installation.settings.workspace_path, objects_url=str(objects))
    state = Path(ObjectStore(objects).location(store.versions("card_spending")[-1].manifest.online_state))
    state.chmod(0o644)
    state.write_bytes(state.read_bytes() + b"x")

    with pytest.raises(ObjectCorrupt):
        store.online("fraud")


# What is wrong with what is asked.


def test_an_instant_without_a_time_zone_is_refused_and_the_error_says_what_to_do(store, installation):
    entities = decisions(installation)
    naive = entities.with_columns(pl.col("at").dt.replace_time_zone(None))

    for frame in (naive, naive.to_pandas()):
        with pytest.raises(SourceInvalid, match=r"tz_localize\('UTC'\)"):
            store.training_set("fraud", frame)
    with pytest.raises(SourceInvalid, match=r"at as String.*pd\.to_datetime"):
        store.training_set("fraud", entities.with_columns(pl.col("at").dt.to_string()))
    with pytest.raises(SourceInvalid, match=r"at is null in 1 entity rows \(3\)"):
        store.training_set("fraud", entities.with_columns(at=pl.when(pl.int_range(pl.len()) != 3).then("at")))


def test_columns_that_are_absent_of_another_type_or_there_twice_are_named(store, installation):
    entities = decisions(installation)

    with pytest.raises(SourceInvalid, match=r"card_spending: entities lack terminal_id;.*or transaction_id"):
        store.training_set("fraud", entities.drop("terminal_id"))
    with pytest.raises(SourceInvalid, match=r"entities lack when; .*at=…"):
        store.training_set("fraud", entities, at="when")
    with pytest.raises(SourceInvalid, match=r"customer_id as Int64"):
        store.training_set("fraud", entities.with_columns(pl.col("customer_id").cast(pl.Int64)))
    with pytest.raises(SourceInvalid, match=r"both the entities and card_spending have a column amount; .*keep="):
        store.training_set("fraud", entities.rename({"label": "amount"}))
    with pytest.raises(SourceInvalid, match=r"no column 'lable' to keep; did you mean 'label'"):
        store.training_set("fraud", entities, keep=["lable"])
    with pytest.raises(SourceInvalid, match="a column named 0; name columns by texts"):
        store.training_set("fraud", entities.to_pandas().rename(columns={"label": 0}))
    with pytest.raises(SourceInvalid, match="two columns of one name"):
        store.training_set("fraud", entities.to_pandas().rename(columns={"label": "at"}))
    with pytest.raises(SourceInvalid, match="pandas or polars DataFrame, and not dict"):
        store.training_set("fraud", {"at": []})


def test_unknown_names_are_refused_with_the_nearest_and_all_there_are(store, installation):
    entities = decisions(installation)

    with pytest.raises(UnknownView, match=r"'fruad'; did you mean 'fraud'\? There are: fraud, price, credit, "):
        store.training_set("fruad", entities)
    with pytest.raises(UnknownView, match="'equity_dayly'; did you mean 'equity_daily'"):
        store.versions("equity_dayly")
    with pytest.raises(UnknownFeature, match="'customer_cuont_7d'; did you mean 'customer_count_7d'"):
        store.training_set("card_spending:customer_cuont_7d", entities)


def test_features_of_another_definition_are_not_passed_off_as_todays(store, installation, monkeypatch):
    changed = replace(CARD_SPENDING, features=CARD_SPENDING.features[:-1])
    monkeypatch.setattr(feature_store.views, "VIEWS", {**VIEWS, "card_spending": changed})
    said = rf"{CARD_SPENDING.fingerprint[:12]}, and today's is {changed.fingerprint[:12]}"
    version = installation.payments[1].id
    events = installation.transactions.head(5).select("transaction_id")

    with pytest.raises(DefinitionChanged, match=said):
        store.training_set("fraud", events)
    with pytest.raises(DefinitionChanged, match=said):
        store.training_set("fraud", decisions(installation), version=version)  # it would be computed by today's
    assert [each.is_current for each in store.versions("card_spending")] == [False, False]

    named = store.training_set("fraud", events, version=version)

    assert named.columns[1:] == list(CARD_SPENDING.feature_names)
    assert named["terminal_risk_30d"].null_count() == 0


# Versions.


def test_versions_are_listed_oldest_first_with_what_they_are(store, installation):
    versions = store.versions("card_spending")

    assert [version.id for version in versions] == [version.id for version in installation.payments]
    assert [version.commit for version in versions] == [version.commit for version in installation.payments]
    assert [version.rows for version in versions] == [version.rows for version in installation.payments]
    assert versions[0].as_of < versions[1].as_of
    assert versions[1].fingerprint == CARD_SPENDING.fingerprint
    assert all(version.is_current for version in versions)
    assert versions.named(versions[0].id[:10]) == versions[0]
    assert versions.named(versions[0].tag) == versions[0]


def test_versions_print_as_a_table_here_and_in_a_notebook(store):
    versions = store.versions("card_spending")

    lines = repr(versions).splitlines()
    assert lines[0].split()[0] == "version"
    assert [line.split()[0] for line in lines[2:]] == [version.id[:16] for version in versions]
    assert versions._repr_html_().count("<tr>") == 3
    assert repr(versions[0]).startswith(
        f"SealedVersion(card_spending {versions[0].id[:16]}, as of 2024-04-10 00:00 UTC"
    )


def test_a_tag_that_was_moved_is_left_out_and_said(installation, tmp_path):
    clone = clone_of(installation, tmp_path)
    older, newer = installation.payments
    subprocess.run(["git", "tag", "--force", newer.tag, older.commit], cwd=clone, check=True, capture_output=True)

    with pytest.warns(UserWarning, match=f"tag {newer.tag} .* was moved"):
        versions = FeatureStore.open(clone).versions("card_spending")

    assert [version.id for version in versions] == [older.id]


def test_a_version_that_is_not_sealed_is_unknown(store, installation):
    with pytest.raises(VersionUnknown, match=r"'0000'; there are: \w{16}, \w{16}"):
        store.restore("card_spending", "0000")
    with pytest.raises(VersionUnknown, match="one version is named, and features of card_spending, ledger_monthly"):
        store.training_set(["fraud", "forecast"], decisions(installation), version=installation.payments[0].id)


def test_a_view_of_which_nothing_is_sealed_says_how_to_seal_it(installation, tmp_path):
    clone = clone_of(installation, tmp_path)
    tags = subprocess.run(["git", "tag"], cwd=clone, check=True, capture_output=True, text=True).stdout.split()
    subprocess.run(["git", "tag", "--delete", *tags], cwd=clone, check=True, capture_output=True)

    with pytest.raises(VersionUnknown, match="build one: `ledgerline features build credit_application`"):
        FeatureStore.open(clone).rows("credit")
    assert FeatureStore.open(clone).describe("credit").newest is None
    assert repr(FeatureStore.open(clone).versions("credit")) == "no sealed version"


def test_restored_files_are_those_that_were_sealed(store, installation, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    version = store.versions("card_spending")[0]

    manifest, *files = store.restore("card_spending", version)

    assert manifest.parts[:2] == ("restored", f"card_spending-{version.id[:16]}")
    assert sha256_file(manifest) == version.manifest.identity["manifest"]
    assert [sha256_file(file) for file in files] == [partition.sha256 for partition in version.manifest.partitions]
    into = store.restore("fraud", version.id[:12], into=tmp_path / "elsewhere")
    assert len(into) == len(files) + 1
    assert all(tmp_path / "elsewhere" in file.parents for file in into)


# Where the files are.


def clone_of(installation, folder: Path) -> Path:
    """Clone the workspace without its data, as on another machine."""
    clone = folder / "clone"
    workspace = installation.settings.workspace_path
    subprocess.run(["git", "clone", "--quiet", str(workspace), str(clone)], check=True, capture_output=True)
    return clone


def test_a_clone_without_data_gives_the_same_from_the_dvc_remote(store, installation, tmp_path):
    entities = decisions(installation)
    elsewhere = FeatureStore.open(clone_of(installation, tmp_path))

    assert_frame_equal(elsewhere.training_set("fraud", entities), store.training_set("fraud", entities))
    rows = ledger_rows(datetime(2024, 3, 5, tzinfo=UTC))
    assert_frame_equal(elsewhere.training_set("forecast", rows), store.training_set("forecast", rows))


def test_a_file_that_was_changed_comes_back_as_it_was_sealed(store, installation, tmp_path):
    clone = clone_of(installation, tmp_path)
    events = installation.transactions.sample(200, seed=1).select("transaction_id")
    expected = FeatureStore.open(clone).training_set("fraud", events)
    version = store.versions("card_spending")[-1]
    first, second = (clone / partition.path for partition in version.manifest.partitions[:2])
    pl.read_parquet(first).with_columns(pl.lit(1.0).alias("amount")).write_parquet(first)
    second.unlink()

    assert_frame_equal(FeatureStore.open(clone).training_set("fraud", events), expected)
    assert sha256_file(first) == version.manifest.partitions[0].sha256


def test_a_damaged_remote_is_noticed_and_nothing_is_read_from_it(installation, tmp_path):
    clone = clone_of(installation, tmp_path)
    remote = shutil.copytree(installation.settings.dvc_remote_url, tmp_path / "remote")
    for stored in remote.rglob("*"):
        if stored.is_file():
            stored.chmod(0o644)
            stored.write_bytes(stored.read_bytes() + b"x")

    with pytest.raises(RemoteDamaged, match="cannot give back"):
        FeatureStore.open(clone, remote_url=str(remote)).training_set("fraud", decisions(installation))


def test_the_installations_store_opens_by_its_environment(installation, monkeypatch):
    monkeypatch.setenv("LEDGERLINE_WORKSPACE", str(installation.settings.workspace_path))
    monkeypatch.setenv("LEDGERLINE_DVC_REMOTE", installation.settings.dvc_remote_url)

    assert len(FeatureStore.open().versions("card_spending")) == 2


def test_a_folder_that_is_no_workspace_is_refused(tmp_path, installation, monkeypatch):
    with pytest.raises(WorkspaceNotFound, match="no git repository"):
        FeatureStore.open(tmp_path / "nowhere")
    monkeypatch.setenv("LEDGERLINE_HOME", str(tmp_path))
    with pytest.raises(WorkspaceNotFound, match="LEDGERLINE_WORKSPACE"):
        FeatureStore.open()
    with pytest.raises(WorkspaceNotFound, match="names no DVC remote"):
        FeatureStore.open(installation.settings.project)


# What there is.


def test_the_store_says_what_there_is(store, installation):
    views = store.views

    assert list(views) == list(VIEWS)
    assert views["card_spending"].newest.id == installation.payments[1].id
    assert [feature.name for feature in views["credit_application"].features] == ["income", "purpose"]
    assert set(store.feature_sets) == {"fraud", "price", "credit", "forecast"}
    assert {view for parts in FEATURE_SETS.values() for view in parts} == set(VIEWS)
    printed = repr(views)
    assert all(name in printed for name in VIEWS)
    assert views._repr_html_().count("<tr>") == len(VIEWS) + 1


def test_a_description_has_units_owner_ttl_sources_and_the_newest_version(store, installation):
    described = store.describe("price")

    assert described.name == "equity_daily"
    assert described.owner == "price models"
    assert described.ttl == timedelta(days=10)
    assert described.decided_by == ("symbol",)
    assert described.sources[0] == "prices_daily@1"
    assert described.newest.id == installation.prices.id
    assert [feature.name for feature in described.features] == list(VIEWS["equity_daily"].feature_names)
    assert all(feature.unit and feature.description for feature in described.features)
    assert "10 days" in repr(described)
    assert described._repr_html_().count("<tr>") > len(described.features)


def test_importing_the_package_loads_nothing_and_completion_still_works():
    code = "import sys, feature_store as f; assert 'polars' not in sys.modules; print('FeatureStore' in dir(f))"
    code += "; print(f.FeatureStore.training_set.__doc__.split()[:3]); print('numba' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert said.splitlines() == ["True", "['Return', 'entity', 'rows']", "False"]
