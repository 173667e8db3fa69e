"""Bring a sealed feature version back byte for byte, here or where there is only the git history and the remote."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from feature_store.errors import VersionUnknown
from feature_store.versions.manifest import Manifest, manifest_path
from feature_store.versions.remote import Remote
from feature_store.versions.tags import files_at
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.identity import sha256_file
from ledgerline.core.storage import write_atomically
from pipelines.features.versions import version_named
from pipelines.features.workspace import Workspace


def restore(ledger: Ledger, version: str, into: Path) -> list[Path]:
    """Restore a version's manifest and partitions below ``into``, as they lie in the workspace.

    Args:
        ledger: The installation.
        version: A version's leaf id or its start, or its tag.
        into: The folder; made if need be. Every file appears under its name only once its hash proved right.

    Returns:
        The files, the manifest first.

    Raises:
        VersionUnknown: No version, or several, are meant; or the workspace's history lacks it.
        RemoteDamaged: The remote cannot give a file back as it was sealed.
    """
    leaf = version_named(ledger, version)
    manifest = ledger.objects.get(leaf.identity["manifest"])
    partitions = {partition.path: partition.sha256 for partition in Manifest.from_bytes(manifest).partitions}
    files = _fetch(ledger, leaf, partitions, into)
    path = into / manifest_path(leaf.identity["view"])
    write_atomically(path, manifest)
    return [path, *files]


def read_features(ledger: Ledger, version_id: str) -> pl.LazyFrame:
    """Return a version's features, in arrival order, from the workspace's files.

    Every file is hashed first; one that is gone or was changed comes back from the DVC remote.

    Raises:
        VersionUnknown: No version, or several, are meant.
        RemoteDamaged: A file is wrong here, and the remote cannot give it back.
    """
    leaf = version_named(ledger, version_id)
    manifest = Manifest.from_bytes(ledger.objects.get(leaf.identity["manifest"]))
    root = ledger.settings.workspace_path
    wrong = {
        partition.path: partition.sha256
        for partition in manifest.partitions
        if not (root / partition.path).is_file() or sha256_file(root / partition.path) != partition.sha256
    }
    if wrong:
        _fetch(ledger, leaf, wrong, root)
    return pl.scan_parquet([root / partition.path for partition in manifest.partitions])


def _fetch(ledger: Ledger, leaf: RecordedLeaf, files: Mapping[str, str], into: Path) -> list[Path]:
    workspace = Workspace(ledger.settings, ledger.clock)
    tag = leaf.detail["tag"]
    sealed = f"refs/tags/{tag}"
    if not (workspace.path / ".git").exists() or workspace.git.commit(sealed) is None:
        raise VersionUnknown(
            f"{workspace.path} has no tag {tag}, which sealed {leaf.id}: fetch it from a clone of the workspace, or "
            "build again from the same inputs"
        )
    return Remote(workspace.remote_url).fetch_all(files_at(workspace.git, sealed, files), into)
