"""The whole check of what was sealed: every object of the DVC remote that a version needs, read and hashed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_store.errors import VersionUnknown
from feature_store.versions.manifest import Manifest
from feature_store.versions.remote import Remote, TrackedFile
from feature_store.versions.tags import files_at
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.identity import sha256_file
from pipelines.features.versions import version_named, versions
from pipelines.features.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found to be as it was sealed.

    Attributes:
        versions: How many versions.
        files: How many files they have together, a file of several versions once.
        repaired: Paths of those whose object was put into the remote again.
    """

    versions: int
    files: int
    repaired: tuple[str, ...] = ()


def verify_versions(
    ledger: Ledger,
    view_name: str,
    version: str | None = None,
    *,
    repair: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Verified:
    """Read every object that versions of a view need, features and accepted rows, and compare its hashes.

    Sealing reads back what is new; what was sealed before it only finds there, in its size. This reads all of it.

    Args:
        ledger: The installation.
        view_name: The view.
        version: One version's leaf id or its start, or its tag. None for every recorded version of the view.
        repair: Put an object that is missing or was changed into the remote again, from the file in the workspace or in
            its DVC cache that hashes to what was sealed. An object of which there is no such copy is left as it is.
        progress: Told when another process must be waited for, and what is put into the remote.

    Raises:
        VersionUnknown: No version, or several, are meant; or the workspace's history lacks one.
        RemoteDamaged: Naming the objects that are missing or were changed and, if asked to, could not be repaired.
    """
    leaves = [version_named(ledger, version)] if version else versions(ledger, view_name)
    if not leaves or any(leaf.identity["view"] != view_name for leaf in leaves):
        raise VersionUnknown(
            f"{version or 'no version'} is a version of {view_name}; see `ledgerline features versions`"
        )
    workspace = Workspace(ledger.settings, ledger.clock)
    named = {file for leaf in leaves for file in _files(ledger, workspace, leaf)}
    files = sorted(named, key=lambda file: file.path)
    remote = Remote(workspace.remote_url)
    if not repair:
        remote.verify(
            files, remedy=f"Put right what a copy is here of: `ledgerline features verify {view_name} --repair`"
        )
        return Verified(versions=len(leaves), files=len(files))
    with workspace.locked(progress):  # nobody collects a copy as garbage meanwhile
        repaired = _repair(remote, workspace, files, progress)
    return Verified(versions=len(leaves), files=len(files), repaired=tuple(file.path for file in repaired))


def _repair(
    remote: Remote, workspace: Workspace, files: Sequence[TrackedFile], say: Callable[[str], None]
) -> list[TrackedFile]:
    """Put again what the remote lacks or has wrong, read it back, and return it.

    Raises:
        RemoteDamaged: Of some there is no good copy here; the others are repaired all the same.
    """
    damaged = list(remote.problems(files))
    for file in damaged:
        if copy := _good_copy(workspace, file):
            say(f"putting {file.path} into the DVC remote again, from {copy}")
            remote.put(file, copy)
    remote.verify(
        damaged,
        remedy=(
            f"Neither {workspace.path} nor its DVC cache has a copy of these that hashes to what was sealed: bring the "
            "file from a clone or a backup to its path there, and repair again"
        ),
    )
    return damaged


def _good_copy(workspace: Workspace, file: TrackedFile) -> Path | None:
    cached = workspace.path / ".dvc" / "cache" / "files" / "md5" / file.md5[:2] / file.md5[2:]
    places = (workspace.path / file.path, cached)
    return next((path for path in places if path.is_file() and sha256_file(path) == file.sha256), None)


def _files(ledger: Ledger, workspace: Workspace, leaf: RecordedLeaf) -> list[TrackedFile]:
    manifest = Manifest.from_bytes(ledger.objects.get(leaf.identity["manifest"]))
    commit = leaf.detail["commit"]
    if not (workspace.path / ".git").exists() or workspace.git.commit(commit) is None:
        raise VersionUnknown(
            f"{workspace.path} has no commit {commit[:12]}, which sealed {leaf.id}: fetch it from a clone of the "
            "workspace, or build again from the same inputs"
        )
    return files_at(workspace.git, commit, manifest.files)
