"""Garbage is what neither the data branch nor a tag nor the evidence log names; nothing else goes, nowhere else."""

import json
import shutil
from pathlib import Path

import pytest

from pipelines.features import build, collect_garbage, read_features, restore
from pipelines.features.workspace import Workspace

VIEW = "card_spending"
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture
def killed_seal(ledger, deliver, midnights, monkeypatch):
    """Seal a version, die in the push of a second one, seal a third; return the sealed ones and the lost files."""
    from dvc.repo import Repo

    deliver(ledger, 0, 4)
    first = build(ledger, VIEW, as_of=midnights(4))
    deliver(ledger, 4, 6)
    before = files_below(ledger)
    with monkeypatch.context() as patched:

        def die(*_arguments, **_options):
            raise Killed

        patched.setattr(Repo, "push", die)
        with pytest.raises(Killed):
            build(ledger, VIEW, as_of=midnights(4.5))
    lost = {path for path in files_below(ledger) - before if path.parts[-1].startswith("2024-03-05")}
    third = build(ledger, VIEW, as_of=midnights(6))
    return first, third, lost


def files_below(ledger) -> set[Path]:
    root = ledger.settings.workspace_path
    return {path for folder in ("data/features", ".dvc/cache") for path in (root / folder).rglob("*") if path.is_file()}


def test_killed_seal_leaves_garbage_in_workspace_and_cache_which_goes_and_nothing_else(
    ledger, killed_seal, fingerprints, tmp_path
):
    first, third, lost = killed_seal
    remote = fingerprints(Path(ledger.settings.dvc_remote_url))
    before = files_below(ledger)

    garbage = collect_garbage(ledger)

    sizes = before - files_below(ledger)
    (partition,) = {path for path in lost if path.suffix == ".parquet"}
    assert partition in sizes
    assert {path.parts[-5] for path in sizes} >= {"cache"}
    assert set(garbage.files) >= sizes
    assert len(sizes) == 2  # the day that was cut short, and its object in the cache
    assert fingerprints(Path(ledger.settings.dvc_remote_url)) == remote
    assert collect_garbage(ledger).files == ()
    for version in (first, third):
        assert read_features(ledger, version.id).collect().height == version.rows
        assert len(restore(ledger, version.id, tmp_path / version.id)) == version.partitions + 1


def test_dry_run_names_the_same_files_and_removes_none(ledger, killed_seal):
    before = files_below(ledger)

    wanted = collect_garbage(ledger, dry_run=True)

    assert files_below(ledger) == before
    assert wanted.size == sum(path.stat().st_size for path in wanted.files) > 0
    assert collect_garbage(ledger) == wanted


def test_abandoned_file_goes_and_accepted_rows_that_no_version_was_built_from_stay(ledger, deliver, midnights):
    deliver(ledger, 0, 4)
    build(ledger, VIEW, as_of=midnights(4))
    deliver(ledger, 4, 5)
    root = ledger.settings.workspace_path
    accepted = set(root.glob("data/accepted/*/*.parquet"))
    abandoned = root / "data" / "features" / VIEW / "2024-03-09-0123456789ab.parquet"
    half = root / "data" / "features" / VIEW / ".0123.2024-03-09-0123456789ab.parquet"
    for path in (abandoned, half):
        path.write_bytes(b"abandoned")

    garbage = collect_garbage(ledger)

    assert set(garbage.files) == {abandoned, half}
    assert set(root.glob("data/accepted/*/*.parquet")) == accepted


def test_any_file_or_folder_that_the_data_branch_tracks_stays(ledger, deliver, midnights):
    deliver(ledger, 0, 4)
    build(ledger, VIEW, as_of=midnights(4))
    workspace = Workspace(ledger.settings, ledger.clock)
    extra, folder = workspace.path / "data" / "extra.csv", workspace.path / "data" / "folder"
    parquet = workspace.path / "data" / "features" / "by_hand"
    for path in (extra, folder / "one.csv", folder / "two.csv", parquet / "one.parquet"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"kept by hand: {path.name}\n")
    with workspace.dvc() as dvc:
        for path in (extra, folder, parquet):
            dvc.add(str(path))
    for name in ("data/extra.csv.dvc", "data/folder.dvc", "data/features/by_hand.dvc"):
        workspace.git.run("add", "--force", name)
    workspace.git.run("commit", "--quiet", "-m", "Keep files by hand")

    assert collect_garbage(ledger).files == ()


def test_version_in_the_log_stays_without_its_tag_and_without_its_commit(ledger, deliver, midnights, tmp_path):
    deliver(ledger, 0, 4)
    first = build(ledger, VIEW, as_of=midnights(3.5))
    second = build(ledger, VIEW, as_of=midnights(4))
    workspace = Workspace(ledger.settings, ledger.clock)
    before = files_below(ledger)
    for version in (first, second):
        workspace.git.run("tag", "--delete", version.tag)

    assert collect_garbage(ledger).files == ()

    manifest = json.loads(ledger.objects.get(first.manifest_sha256))
    shutil.rmtree(workspace.path / ".git")  # and a clone that knows none of the old commits
    with workspace.locked():
        workspace.prepare()
    assert not [path for path in collect_garbage(ledger).files if path in before]
    assert all((workspace.path / partition["path"]).exists() for partition in manifest["partitions"])
