"""From accepted files to a sealed, recorded feature version, with real git and DVC."""

import json
import shutil
import sys
from dataclasses import replace

import polars as pl
import pytest

from feature_store.columns import columns_read
from feature_store.offline import compute
from feature_store.online import OnlineFeatures
from feature_store.views.card_spending import CARD_SPENDING
from ledgerline.audit.column_impact import column_impact
from ledgerline.audit.verify import entries_holding
from ledgerline.core.settings import Settings
from pipelines.features import build, read_features, versions
from pipelines.features.errors import NothingAccepted, NotReproducible, WorkspaceUnusable
from pipelines.features.workspace import Workspace

VIEW = "card_spending"
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC


def manifest_of(ledger, version):
    return json.loads(ledger.objects.get(version.manifest_sha256))


def partition_paths(ledger, version):
    return {partition["date"]: partition["path"] for partition in manifest_of(ledger, version)["partitions"]}


def test_version_holds_what_the_executor_computes_from_all_accepted_rows(ledger, deliver, history, midnights):
    for first in range(0, 20, 5):
        deliver(ledger, first, first + 5)

    version = build(ledger, VIEW, as_of=midnights(20))

    transactions, labels = history.of_days(0, 20)
    expected = compute(CARD_SPENDING, transactions, labels)
    assert read_features(ledger, version.id).collect().equals(expected)
    assert (version.rows, version.partitions, version.built) == (expected.height, 20, True)


def test_version_names_the_columns_that_each_feature_reads_beside_its_identity(ledger, deliver, midnights):
    deliver(ledger, 0, 10)
    version = build(ledger, VIEW, as_of=midnights(10))

    (leaf,) = versions(ledger, VIEW)
    assert leaf.detail["columns"] == columns_read(CARD_SPENDING, CARD_SPENDING.feature_names)
    assert "columns" not in leaf.identity
    found = column_impact(ledger.log, "transactions.amount_minor")
    assert [read.id for read in found.versions] == [version.id]
    assert found.features[VIEW] == tuple(sorted(name for name in CARD_SPENDING.feature_names if "amount" in name))


def test_version_recorded_before_versions_named_their_columns_stays_and_the_next_one_names_them(
    ledger, deliver, midnights, rewrite
):
    deliver(ledger, 0, 10)
    old = build(ledger, VIEW, as_of=midnights(10))
    detail = {name: value for name, value in versions(ledger, VIEW)[0].detail.items() if name != "columns"}
    rewrite(ledger.log, old.id, None, detail=detail)

    assert build(ledger, VIEW, as_of=midnights(10)) == replace(old, built=False)
    deliver(ledger, 10, 15)
    new = build(ledger, VIEW, as_of=midnights(15))
    found = column_impact(ledger.log, "transactions.amount_minor")
    assert ([leaf.id for leaf in found.versions], found.silent) == ([new.id], 1)


def test_leaf_manifest_commit_and_tag_say_the_same(ledger, deliver, midnights):
    deliver(ledger, 0, 10)
    version = build(ledger, VIEW, as_of=midnights(10))

    (leaf,) = versions(ledger, VIEW)
    workspace = Workspace(ledger.settings, ledger.clock)
    (at_tag,) = workspace.git.read(f"refs/tags/{version.tag}:data/features/{VIEW}/manifest.json")
    manifest = manifest_of(ledger, version)
    assert leaf.id == version.id
    assert leaf.identity == {
        "view": VIEW,
        "fingerprint": CARD_SPENDING.fingerprint,
        "manifest": version.manifest_sha256,
    }
    assert version.tag == f"evidence/{VIEW}/{version.id[:16]}"
    assert workspace.git.commit(f"refs/tags/{version.tag}") == version.commit == leaf.detail["commit"]
    assert at_tag == ledger.objects.get(version.manifest_sha256)
    assert manifest["features"] == list(CARD_SPENDING.feature_names)
    assert manifest["as_of"] == "2024-03-11T00:00:00.000000Z"
    assert [(role, parent.id) for role, parent in ledger.log.parents(leaf.id)] == [
        ("accepted", file["receipt"]) for file in manifest["inputs"]
    ]
    assert {file["dataset"] for file in manifest["inputs"]} == {"transactions", "fraud_labels"}


def test_building_again_changes_nothing(ledger, deliver, midnights, fingerprints):
    deliver(ledger, 0, 10)
    first = build(ledger, VIEW, as_of=midnights(10))
    workspace = Workspace(ledger.settings, ledger.clock)
    before = fingerprints(workspace.path / "data"), workspace.git.run("rev-parse", "HEAD"), entries_holding(ledger.log)

    again = build(ledger, VIEW, as_of=midnights(10))

    assert again == replace(first, built=False)
    after = fingerprints(workspace.path / "data"), workspace.git.run("rev-parse", "HEAD"), entries_holding(ledger.log)
    assert after == before


def test_another_installation_builds_the_same_bytes_in_whatever_order_files_came(
    open_home, deliver, midnights, fingerprints
):
    one, other = open_home("one"), open_home("other")
    for first in (0, 4, 8):
        deliver(one, first, first + 4)
    for first in (8, 0, 4):
        deliver(other, first, first + 4)

    versions_built = [build(ledger, VIEW, as_of=midnights(12)) for ledger in (one, other)]

    assert versions_built[0].id == versions_built[1].id
    features = [fingerprints(ledger.settings.workspace_path / "data" / "features") for ledger in (one, other)]
    assert features[0] == features[1]


def test_day_by_day_builds_end_in_the_bytes_of_one_build(open_home, deliver, midnights, fingerprints):
    daily, at_once = open_home("daily"), open_home("at_once")
    for day in range(6, 12):
        for ledger in (daily, at_once):
            deliver(ledger, 0 if day == 6 else day, day + 1)
        last = build(daily, VIEW, as_of=midnights(day + 1))

    whole = build(at_once, VIEW, as_of=midnights(12))

    assert last.id == whole.id
    assert len(versions(daily, VIEW)) == 6
    folders = [ledger.settings.workspace_path / "data" / "features" for ledger in (daily, at_once)]
    assert fingerprints(folders[0]) == fingerprints(folders[1])


def test_new_day_writes_one_partition_and_leaves_the_others_as_they_are(ledger, deliver, midnights):
    deliver(ledger, 0, 10)
    before = build(ledger, VIEW, as_of=midnights(10))
    folder = ledger.settings.workspace_path / "data" / "features" / VIEW
    written = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}
    deliver(ledger, 10, 11)

    after = build(ledger, VIEW, as_of=midnights(11))

    new = partition_paths(ledger, after)
    assert {day: path for day, path in new.items() if day != "2024-03-11"} == partition_paths(ledger, before)
    rewritten = {path.name for path in folder.glob("*.parquet") if written.get(path.name) != path.stat().st_mtime_ns}
    assert rewritten == {new["2024-03-11"].rsplit("/", 1)[-1]}


def test_backdated_file_rebuilds_the_days_that_it_can_influence_and_no_others(
    ledger, accept, deliver, history, midnights
):
    deliver(ledger, 0, 5)
    deliver(ledger, 6, 45)
    before = partition_paths(ledger, build(ledger, VIEW, as_of=midnights(45)))
    transactions, _ = history.of_days(5, 6)
    accept(ledger, "transactions", transactions)

    after = partition_paths(ledger, build(ledger, VIEW, as_of=midnights(45)))

    changed = {day for day in after if after[day] != before.get(day)}
    in_a_window = range(5, 6 + CARD_SPENDING.horizon.days)
    assert changed == {f"{midnights(day):%Y-%m-%d}" for day in in_a_window}


def test_backdated_labels_rebuild_by_the_payments_they_name_whatever_time_they_state(
    open_home, accept, history, midnights
):
    transactions, _ = history.of_days(0, 40)
    misdated = history.labels.head(100).with_columns(
        event_time=pl.lit(midnights(-300)).cast(transactions.schema["event_time"]), is_fraud=pl.lit(True)
    )
    in_two_steps, at_once = open_home("in_two_steps"), open_home("at_once")
    accept(in_two_steps, "transactions", transactions)
    before = build(in_two_steps, VIEW, as_of=midnights(40))
    for ledger in (in_two_steps, at_once):
        accept(ledger, "fraud_labels", misdated)
    accept(at_once, "transactions", transactions)

    after = build(in_two_steps, VIEW, as_of=midnights(40))

    assert after.id == build(at_once, VIEW, as_of=midnights(40)).id
    risk = pl.col("terminal_risk_30d").sum()
    assert read_features(in_two_steps, before.id).select(risk).collect().item() == 0
    assert read_features(in_two_steps, after.id).select(risk).collect().item() > 0


def test_changed_definition_is_another_version_and_retires_the_old_partitions(ledger, deliver, midnights, monkeypatch):
    deliver(ledger, 0, 5)
    old = build(ledger, VIEW, as_of=midnights(5))
    changed = replace(CARD_SPENDING, features=CARD_SPENDING.features[:-1])
    monkeypatch.setattr(sys.modules["pipelines.features.build"], "view_named", lambda _: changed)

    new = build(ledger, VIEW, as_of=midnights(5))

    assert new.id != old.id
    assert not set(partition_paths(ledger, new).values()) & set(partition_paths(ledger, old).values())
    tracked = Workspace(ledger.settings, ledger.clock).git.run("ls-files", "data/features").splitlines()
    partitions = {path.removesuffix(".dvc") for path in tracked if path.endswith(".parquet.dvc")}
    assert partitions == set(partition_paths(ledger, new).values())
    assert read_features(ledger, old.id).collect().width == read_features(ledger, new.id).collect().width + 1


def test_nothing_after_as_of_is_in_a_version(ledger, deliver, midnights):
    deliver(ledger, 0, 20)
    noon = midnights(9).replace(hour=12)

    version = build(ledger, VIEW, as_of=noon)

    assert read_features(ledger, version.id).select(pl.col("available_at").max()).collect().item() <= noon
    cut_day = partition_paths(ledger, version)["2024-03-10"]
    assert partition_paths(ledger, build(ledger, VIEW, as_of=midnights(10)))["2024-03-10"] != cut_day


def test_past_partitions_do_not_depend_on_later_files(open_home, deliver, midnights):
    short, long = open_home("short"), open_home("long")
    for day in range(0, 12, 3):
        deliver(short, day, day + 3)
    for day in range(0, 30, 3):
        deliver(long, day, day + 3)

    before = manifest_of(short, build(short, VIEW, as_of=midnights(12)))["partitions"]
    after = manifest_of(long, build(long, VIEW, as_of=midnights(30)))["partitions"]

    assert after[: len(before)] == before


def test_id_accepted_twice_counts_as_it_first_arrived_and_rebuilds_alike(
    open_home, accept, deliver, history, midnights
):
    transactions, _ = history.of_days(0, 4)
    again = transactions.head(10).with_columns(
        available_at=pl.lit(midnights(8)).cast(transactions.schema["available_at"]), amount_minor=pl.lit(1, pl.Int64)
    )
    daily, at_once = open_home("daily"), open_home("at_once")
    for ledger in (daily, at_once):
        deliver(ledger, 0, 8)
    clean = build(daily, VIEW, as_of=midnights(8))
    for ledger in (daily, at_once):
        accept(ledger, "transactions", again)
        deliver(ledger, 8, 10)

    versions_built = [build(ledger, VIEW, as_of=midnights(10)) for ledger in (daily, at_once)]

    assert versions_built[0].id == versions_built[1].id
    rows = read_features(daily, versions_built[0].id).collect()
    assert rows["transaction_id"].is_unique().all()
    assert rows.head(clean.rows).equals(read_features(daily, clean.id).collect())


def test_online_state_continues_where_the_version_ends(ledger, deliver, history, midnights):
    deliver(ledger, 0, 40)
    version = build(ledger, VIEW, as_of=midnights(40))
    online = OnlineFeatures(CARD_SPENDING)
    with ledger.objects.local(manifest_of(ledger, version)["online_state"]) as path:
        online.bootstrap(pl.read_parquet(path), as_of=midnights(40))
    transactions, labels = history.transactions, history.labels
    expected = compute(CARD_SPENDING, transactions, labels).filter(pl.col("available_at") >= midnights(40))

    stream = [(row["available_at"], 0, 0, "", row) for row in labels.to_dicts()]
    for row in transactions.to_dicts():
        stream.append((row["available_at"], 1, len(row["transaction_id"]), row["transaction_id"], row))
    vectors = []
    for moment, is_payment, *_, row in sorted(stream, key=lambda entry: entry[:4]):
        if moment >= midnights(40) and is_payment:
            vectors.append(online.vector(row))
            online.observe(row)
        elif moment >= midnights(40):
            online.observe_label(row)

    assert vectors == expected.select(CARD_SPENDING.feature_names).to_dicts()


def test_without_accepted_rows_the_error_says_what_to_run(ledger, midnights):
    with pytest.raises(NothingAccepted, match="ledgerline ingest"):
        build(ledger, VIEW, as_of=midnights(1))


def test_partition_changed_on_disk_is_written_again_as_it_was_sealed(ledger, deliver, midnights):
    deliver(ledger, 0, 5)
    first = build(ledger, VIEW, as_of=midnights(5))
    path = ledger.settings.workspace_path / partition_paths(ledger, first)["2024-03-03"]
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-100])
    deliver(ledger, 5, 6)

    build(ledger, VIEW, as_of=midnights(6))

    assert path.read_bytes() == sealed


def test_inputs_that_give_other_bytes_than_before_are_an_error(ledger, deliver, midnights, monkeypatch):
    deliver(ledger, 0, 5)
    first = build(ledger, VIEW, as_of=midnights(5))
    (ledger.settings.workspace_path / partition_paths(ledger, first)["2024-03-03"]).unlink()
    monkeypatch.setattr("pipelines.features.partitions._COMPRESSION_LEVEL", 1)
    deliver(ledger, 5, 6)

    with pytest.raises(NotReproducible, match="2024-03-03"):
        build(ledger, VIEW, as_of=midnights(6))


def test_workspace_that_was_lost_is_made_again_with_the_same_version(ledger, deliver, midnights):
    deliver(ledger, 0, 5)
    first = build(ledger, VIEW, as_of=midnights(5))
    shutil.rmtree(ledger.settings.workspace_path)

    again = build(ledger, VIEW, as_of=midnights(5))

    assert again.id == first.id
    assert len(versions(ledger, VIEW)) == 1
    assert Workspace(ledger.settings, ledger.clock).git.commit(f"refs/tags/{again.tag}")


def test_repository_that_is_not_ours_is_left_alone(ledger, project, fingerprints):
    settings = Settings(home=ledger.settings.home, project=project, workspace=project)
    before = fingerprints(project)

    with pytest.raises(WorkspaceUnusable, match="did not make"):
        Workspace(settings, ledger.clock).prepare()

    assert fingerprints(project) == before
