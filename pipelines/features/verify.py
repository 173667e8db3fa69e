"""The whole check of what was sealed: every object of the DVC remote that a version needs, read and hashed."""

from dataclasses import dataclass

from feature_store.errors import VersionUnknown
from feature_store.versions.manifest import Manifest
from feature_store.versions.remote import Remote, TrackedFile
from feature_store.versions.tags import files_at
from ledgerline.audit import Ledger, RecordedLeaf
from pipelines.features.versions import version_named, versions
from pipelines.features.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found to be as it was sealed.

    Attributes:
        versions: How many versions.
        files: How many files they have together, a file of several versions once.
    """

    versions: int
    files: int


def verify_versions(ledger: Ledger, view_name: str, version: str | None = None) -> Verified:
    """Read every object that versions of a view need, features and accepted rows, and compare its hashes.

    Sealing reads back what is new; what was sealed before it only finds there, in its size. This reads all of it.

    Args:
        ledger: The installation.
        view_name: The view.
        version: One version's leaf id or its start, or its tag. None for every recorded version of the view.

    Raises:
        VersionUnknown: No version, or several, are meant; or the workspace's history lacks one.
        RemoteDamaged: Naming the objects that are missing or were changed.
    """
    leaves = [version_named(ledger, version)] if version else versions(ledger, view_name)
    if not leaves or any(leaf.identity["view"] != view_name for leaf in leaves):
        raise VersionUnknown(
            f"{version or 'no version'} is a version of {view_name}; see `ledgerline features versions`"
        )
    workspace = Workspace(ledger.settings, ledger.clock)
    files = {file for leaf in leaves for file in _files(ledger, workspace, leaf)}
    Remote(workspace.remote_url).verify(sorted(files, key=lambda file: file.path))
    return Verified(versions=len(leaves), files=len(files))


def _files(ledger: Ledger, workspace: Workspace, leaf: RecordedLeaf) -> list[TrackedFile]:
    manifest = Manifest.from_bytes(ledger.objects.get(leaf.identity["manifest"]))
    commit = leaf.detail["commit"]
    if not (workspace.path / ".git").exists() or workspace.git.commit(commit) is None:
        raise VersionUnknown(
            f"{workspace.path} has no commit {commit[:12]}, which sealed {leaf.id}: fetch it from a clone of the "
            "workspace, or build again from the same inputs"
        )
    return files_at(workspace.git, commit, manifest.files)
