"""Sealed versions come back byte for byte: here, in a clone, with DVC's own commands; and damage is noticed."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feature_store.errors import RemoteDamaged, VersionUnknown
from ledgerline.audit import Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import Settings
from pipelines.features import build, read_features, restore, restore_from_clone

VIEW = "card_spending"
MOMENT = datetime(2024, 6, 9, tzinfo=UTC)
DVC = [sys.executable, "-m", "dvc"]
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC


@pytest.fixture
def ledger(two_versions, tmp_path):
    """Open a copy of the home in which two versions were sealed."""
    template, _ = two_versions
    shutil.copytree(template, tmp_path, dirs_exist_ok=True, symlinks=True)
    return Ledger.open(Settings(home=tmp_path / "home", project=tmp_path / "project"), FixedClock(MOMENT))


@pytest.fixture
def old_and_new(ledger, two_versions):
    return two_versions[1]


@pytest.fixture
def clone(ledger, old_and_new, tmp_path):
    """Clone the workspace, then lose everything but the clone and the DVC remote."""
    folder, remote = tmp_path / "clone", tmp_path / "remote"
    workspace = ledger.settings.workspace_path
    subprocess.run(["git", "clone", "--quiet", "-b", "data", str(workspace), str(folder)], check=True)
    shutil.copytree(ledger.settings.dvc_remote_url, remote)
    shutil.rmtree(ledger.settings.home)
    return folder, str(remote)


def objects_of(ledger) -> list[Path]:
    return sorted(path for path in Path(ledger.settings.dvc_remote_url).rglob("*") if path.is_file())


def test_restored_files_are_the_sealed_ones_byte_for_byte(ledger, old_and_new, tmp_path, fingerprints):
    _, new = old_and_new
    sealed = fingerprints(ledger.settings.workspace_path / "data" / "features")

    files = restore(ledger, new.id, tmp_path / "restored")

    restored = fingerprints(tmp_path / "restored" / "data" / "features")
    assert len(files) == len(restored) == new.partitions + 1
    assert restored.items() <= sealed.items()


@pytest.mark.parametrize("spelling", ["id", "digits", "tag"])
def test_version_is_found_by_its_id_its_first_digits_and_its_tag(ledger, old_and_new, tmp_path, spelling):
    old, _ = old_and_new
    name = {"id": old.id, "digits": old.id[:12], "tag": old.tag}[spelling]

    files = restore(ledger, name, tmp_path)

    assert len(files) == old.partitions + 1
    assert files[0].read_bytes() == ledger.objects.get(old.manifest_sha256)


def test_version_that_is_not_there_is_an_error_that_says_where_to_look(ledger, old_and_new, tmp_path):
    with pytest.raises(VersionUnknown, match="features versions"):
        restore(ledger, "ffffffff", tmp_path)
    with pytest.raises(VersionUnknown):
        restore(ledger, "", tmp_path)


def test_clone_and_remote_alone_give_every_version_back(clone, two_versions, tmp_path, fingerprints):
    folder, remote = clone
    template, versions = two_versions
    sealed = fingerprints(template / "home" / "workspace" / "data" / "features")

    for version in versions:
        restore_from_clone(folder, remote, version.id, tmp_path / version.id)

    for version in versions:
        restored = fingerprints(tmp_path / version.id / "data" / "features")
        assert restored.pop(f"{VIEW}/manifest.json") == version.manifest_sha256
        assert len(restored) == version.partitions
        assert restored.items() <= sealed.items()


def test_dvc_pull_in_a_clone_gives_the_newest_version_back(ledger, old_and_new, tmp_path, fingerprints):
    workspace, folder = ledger.settings.workspace_path, tmp_path / "quant"
    subprocess.run(["git", "clone", "--quiet", "-b", "data", str(workspace), str(folder)], check=True)

    subprocess.run([*DVC, "pull", "--quiet"], cwd=folder, check=True)

    assert fingerprints(folder / "data") == fingerprints(workspace / "data")


def test_tag_that_was_moved_is_refused(clone, old_and_new, tmp_path):
    folder, remote = clone
    old, new = old_and_new
    subprocess.run(["git", "tag", "--force", old.tag, new.tag], cwd=folder, check=True, capture_output=True)

    with pytest.raises(VersionUnknown, match="moved"):
        restore_from_clone(folder, remote, old.id, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_object_that_was_changed_in_the_remote_is_never_delivered(ledger, old_and_new, tmp_path):
    _, new = old_and_new
    for stored in objects_of(ledger):
        stored.chmod(0o644)
        stored.write_bytes(stored.read_bytes()[:-1] + b"?")

    with pytest.raises(RemoteDamaged, match="now hashes to"):
        restore(ledger, new.id, tmp_path / "restored")
    assert not list((tmp_path / "restored").rglob("*.parquet"))


def test_object_that_is_missing_in_the_remote_is_named(ledger, old_and_new, tmp_path):
    shutil.rmtree(ledger.settings.dvc_remote_url)

    with pytest.raises(RemoteDamaged, match=r"data/features/card_spending/2024-03-0\d-.*is missing"):
        restore(ledger, old_and_new[0].id, tmp_path / "restored")


def test_reading_brings_back_files_that_are_gone_or_changed_here(ledger, old_and_new):
    _, new = old_and_new
    before = read_features(ledger, new.id).collect()
    partitions = sorted((ledger.settings.workspace_path / "data" / "features" / VIEW).glob("*.parquet"))
    partitions[0].unlink()
    partitions[1].write_bytes(b"not parquet")

    assert read_features(ledger, new.id).collect().equals(before)


def test_seal_does_not_tag_what_the_remote_does_not_hold(ledger, old_and_new, deliver, midnights, monkeypatch):
    """A remote that loses a child object while its listing still says it is there."""
    from dvc.repo import Repo

    old, new = old_and_new
    push = Repo.push

    def push_and_lose_one(repo, *arguments, **options):
        pushed = push(repo, *arguments, **options)
        objects_of(ledger)[0].unlink()
        return pushed

    monkeypatch.setattr(Repo, "push", push_and_lose_one)
    deliver(ledger, 8, 9)
    with pytest.raises(RemoteDamaged):
        build(ledger, VIEW, as_of=midnights(9))
    tags = subprocess.run(
        ["git", "tag"], cwd=ledger.settings.workspace_path, check=True, capture_output=True, text=True
    )
    assert set(tags.stdout.split()) == {old.tag, new.tag}

    monkeypatch.undo()
    version = build(ledger, VIEW, as_of=midnights(9))

    assert version.partitions == 9
    assert len(restore(ledger, version.id, ledger.settings.home / "restored")) == 10
