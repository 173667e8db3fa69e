"""Bring a sealed version back byte for byte where there is only the git history and the DVC remote."""

from pathlib import Path

from feature_store.errors import VersionUnknown
from feature_store.versions.git import Git
from feature_store.versions.manifest import Manifest, manifest_path
from feature_store.versions.remote import Remote
from feature_store.versions.tags import TAG_PREFIX, files_at
from ledgerline.core.storage import write_atomically


def restore_from_clone(clone: Path, remote_url: str, version: str, into: Path) -> list[Path]:
    """Restore a version where there is neither evidence log nor object store: only git history and the DVC remote.

    What is restored proves itself: the tag's name is a hash over the manifest, and that holds the files' hashes.

    Args:
        clone: A clone of the workspace.
        remote_url: The DVC remote, as reached from here.
        version: A version's leaf id, at least as many leading digits as tell it from others, or its tag.
        into: The folder; made if need be.

    Returns:
        The files, the manifest first.

    Raises:
        VersionUnknown: No tag, or several, are meant; or a tag does not name what it points at.
        RemoteDamaged: The remote cannot give a file back as it was sealed.
    """
    git = Git(clone)
    tags = [tag for tag in git.run("tag", "--list", f"{TAG_PREFIX}/*").splitlines() if _is_meant(tag, version)]
    if len(tags) != 1:
        raise VersionUnknown(f"{len(tags) or 'no'} tags of {clone} name a feature version {version!r}; see `git tag`")
    _, view, digits = tags[0].split("/")
    (content,) = git.read(f"refs/tags/{tags[0]}:{manifest_path(view)}")
    manifest = Manifest.from_bytes(content) if content else None
    if manifest is None or not manifest.version.startswith(digits):
        raise VersionUnknown(f"tag {tags[0]} of {clone} was moved: the manifest it points at has another hash")
    partitions = {partition.path: partition.sha256 for partition in manifest.partitions}
    files = Remote(remote_url).fetch_all(files_at(git, f"refs/tags/{tags[0]}", partitions), into)
    path = into / manifest_path(view)
    write_atomically(path, manifest.to_bytes())
    return [path, *files]


def _is_meant(tag: str, version: str) -> bool:
    digits = tag.rsplit("/", 1)[-1]
    return tag == version or digits.startswith(version) or version.startswith(digits)
