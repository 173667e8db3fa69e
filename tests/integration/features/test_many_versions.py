"""A version stays restorable however many come after it, and one more day costs the storage of one more day."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feature_store.errors import RemoteDamaged, VersionUnknown
from feature_store.versions.remote import md5_of
from ledgerline.cli.main import app
from pipelines.features import build, restore, restore_from_clone, verify_versions

VIEW = "card_spending"
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC


@pytest.mark.parametrize("later", [5, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_first_version_comes_back_after_many_later_ones_here_and_in_a_fresh_clone(
    ledger, deliver, midnights, fingerprints, tmp_path, later
):
    deliver(ledger, 0, 2)
    first = build(ledger, VIEW, as_of=midnights(2))
    features = ledger.settings.workspace_path / "data" / "features"
    sealed = fingerprints(features)
    for number in range(later):
        begin, end = 2 + number / 4, 2 + (number + 1) / 4
        deliver(ledger, begin, end)
        assert build(ledger, VIEW, as_of=midnights(end)).built
    for path in features.rglob("*.parquet"):
        path.unlink()  # only the remote has them
    clone, remote = tmp_path / "clone", tmp_path / "remote"

    restore(ledger, first.id, tmp_path / "here")
    workspace = ledger.settings.workspace_path
    subprocess.run(["git", "clone", "--quiet", "-b", "data", str(workspace), str(clone)], check=True)
    shutil.copytree(ledger.settings.dvc_remote_url, remote)
    shutil.rmtree(ledger.settings.home)
    restore_from_clone(clone, str(remote), first.id, tmp_path / "there")

    kept = {name: sha256 for name, sha256 in sealed.items() if name.endswith((".parquet", "manifest.json"))}
    assert fingerprints(tmp_path / "here" / "data" / "features") == kept
    assert fingerprints(tmp_path / "there" / "data" / "features") == kept


def test_one_more_day_adds_its_own_files_to_the_remote_and_nothing_else(ledger, deliver, midnights, fingerprints):
    deliver(ledger, 0, 20)
    before = _files_of(ledger, build(ledger, VIEW, as_of=midnights(20)))
    stored, held = _objects(ledger), _bytes(ledger)
    deliver(ledger, 20, 21)

    after = _files_of(ledger, build(ledger, VIEW, as_of=midnights(21)))

    new = {path: sha256 for path, sha256 in after.items() if path not in before}
    added = _objects(ledger) - stored
    files = fingerprints(ledger.settings.workspace_path)
    assert sorted(path.split("/")[1] for path in new) == ["accepted", "accepted", "features"]
    assert {files[path] for path in new} == set(new.values()) == _hashes(ledger, added, fingerprints)
    sizes = [(ledger.settings.workspace_path / path).stat().st_size for path in new]
    assert _bytes(ledger) - held == sum(sizes)


def test_whole_check_finds_a_changed_object_that_sealing_another_version_does_not_read(ledger, deliver, midnights):
    deliver(ledger, 0, 4)
    first = build(ledger, VIEW, as_of=midnights(4))
    assert verify_versions(ledger, VIEW).files == len(_files_of(ledger, first))
    damaged = next(path for path in Path(ledger.settings.dvc_remote_url).rglob("*") if path.is_file())
    damaged.chmod(0o644)
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    deliver(ledger, 4, 5)
    second = build(ledger, VIEW, as_of=midnights(5))

    for version in (None, first.id, second.tag):
        with pytest.raises(RemoteDamaged, match=r"1 of \d+ objects .* now hashes to"):
            verify_versions(ledger, VIEW, version)


@pytest.mark.parametrize("kept", ["workspace", "cache"])
def test_repair_puts_a_changed_and_a_missing_object_right_from_either_copy(
    ledger, deliver, midnights, fingerprints, kept
):
    deliver(ledger, 0, 4)
    first = build(ledger, VIEW, as_of=midnights(3))
    build(ledger, VIEW, as_of=midnights(4))  # the objects of a version that came before the data branch's head, too
    remote, workspace = Path(ledger.settings.dvc_remote_url), ledger.settings.workspace_path
    whole = fingerprints(remote)
    changed, missing = (_object_of(ledger, path) for path in sorted(_files_of(ledger, first))[-2:])
    _flip_a_bit(changed)
    missing.unlink()
    for path in sorted(_files_of(ledger, first))[-2:]:
        _flip_a_bit(workspace / path if kept == "cache" else _cached(ledger, path))  # the other copy is wrong as well
    with pytest.raises(RemoteDamaged, match=r"2 of \d+ objects .* features verify card_spending --repair"):
        verify_versions(ledger, VIEW)

    assert set(verify_versions(ledger, VIEW, repair=True).repaired) == set(sorted(_files_of(ledger, first))[-2:])

    assert fingerprints(remote) == whole
    assert verify_versions(ledger, VIEW, repair=True).repaired == ()


def test_object_that_no_good_copy_is_left_of_is_named_and_the_others_are_repaired(ledger, deliver, midnights):
    deliver(ledger, 0, 4)
    version = build(ledger, VIEW, as_of=midnights(4))
    lost, other = sorted(_files_of(ledger, version))[-2:]
    damaged = [_object_of(ledger, lost), _object_of(ledger, other)]
    whole = damaged[1].read_bytes()
    for path in (*damaged, _cached(ledger, lost), ledger.settings.workspace_path / lost):
        _flip_a_bit(path)
    left = damaged[0].read_bytes()

    with pytest.raises(RemoteDamaged, match=rf"1 of 2 objects .*: {lost}: .* Neither .* has a copy"):
        verify_versions(ledger, VIEW, repair=True)

    assert (damaged[0].read_bytes(), damaged[1].read_bytes()) == (left, whole)


def test_command_names_what_it_repaired(ledger, deliver, midnights, monkeypatch):
    deliver(ledger, 0, 4)
    version = build(ledger, VIEW, as_of=midnights(4))
    path = sorted(_files_of(ledger, version))[-1]
    _object_of(ledger, path).unlink()
    monkeypatch.setenv("LEDGERLINE_HOME", str(ledger.settings.home))
    monkeypatch.setenv("COLUMNS", "300")

    assert CliRunner().invoke(app, ["features", "verify", VIEW]).exit_code != 0
    run = CliRunner().invoke(app, ["features", "verify", VIEW, "--repair"])

    assert run.exit_code == 0
    assert f"repaired: {path}" in run.stdout
    assert verify_versions(ledger, VIEW).repaired == ()


def test_whole_check_of_a_version_of_another_view_is_refused(ledger, deliver, midnights):
    deliver(ledger, 0, 4)
    version = build(ledger, VIEW, as_of=midnights(4))

    with pytest.raises(VersionUnknown, match="equity_daily"):
        verify_versions(ledger, "equity_daily", version.id)


@pytest.mark.parametrize("harm", ["lost", "cut"])
def test_sealing_pushes_an_older_object_again_that_the_remote_lost_or_cut(ledger, deliver, midnights, harm):
    deliver(ledger, 0, 3)
    build(ledger, VIEW, as_of=midnights(3))
    harmed = next(path for path in Path(ledger.settings.dvc_remote_url).rglob("*") if path.is_file())
    content = harmed.read_bytes()
    harmed.unlink()
    if harm == "cut":
        harmed.write_bytes(content[:-1])
    deliver(ledger, 3, 4)

    build(ledger, VIEW, as_of=midnights(4))

    assert harmed.read_bytes() == content
    assert verify_versions(ledger, VIEW).versions == 2


def _files_of(ledger, version) -> dict[str, str]:
    manifest = json.loads(ledger.objects.get(version.manifest_sha256))
    return {file["path"]: file["sha256"] for file in (*manifest["inputs"], *manifest["partitions"])}


def _object_of(ledger, path: str) -> Path:
    return Path(ledger.settings.dvc_remote_url) / _name_of_object(ledger, path)


def _cached(ledger, path: str) -> Path:
    return ledger.settings.workspace_path / ".dvc" / "cache" / _name_of_object(ledger, path)


def _name_of_object(ledger, path: str) -> str:
    md5 = md5_of(ledger.settings.workspace_path / path)
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def _flip_a_bit(path: Path) -> None:
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _objects(ledger) -> set[str]:
    remote = Path(ledger.settings.dvc_remote_url)
    return {path.relative_to(remote).as_posix() for path in remote.rglob("*") if path.is_file()}


def _bytes(ledger) -> int:
    return sum((Path(ledger.settings.dvc_remote_url) / name).stat().st_size for name in _objects(ledger))


def _hashes(ledger, names, fingerprints) -> set[str]:
    found = fingerprints(Path(ledger.settings.dvc_remote_url))
    return {found[name] for name in names}
