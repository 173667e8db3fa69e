"""The files of sealed versions on this machine: each hashed before it is read, brought back where it is not right."""

from collections.abc import Callable, Mapping
from pathlib import Path

from feature_store.versions.git import Git
from feature_store.versions.remote import Remote
from feature_store.versions.sealed import SealedVersion
from feature_store.versions.tags import files_at
from ledgerline.core.identity import sha256_file

Say = Callable[[str], None]


class VersionFiles:
    """Sealed files below a workspace. A file is hashed again only once its size or its time has changed.

    Args:
        workspace: The git clone; what is brought back is written into it, where DVC keeps it.
        remote_url: The DVC remote, as reached from here.
    """

    def __init__(self, workspace: Path, remote_url: str) -> None:
        self._root = workspace
        self._remote_url = remote_url
        self._right: dict[tuple[Path, int, int], str] = {}

    def partitions(self, version: SealedVersion, say: Say) -> list[Path]:
        """Return a version's files of features, in arrival order; see :meth:`paths`."""
        say(f"{version.view}: checking {len(version.manifest.partitions)} sealed files")
        return self.paths(version, {file.path: file.sha256 for file in version.manifest.partitions}, say)

    def accepted(self, version: SealedVersion, say: Say) -> dict[str, list[Path]]:
        """Return the accepted files that a version was built from by contract, in their order; see :meth:`paths`."""
        inputs = version.manifest.inputs
        say(f"{version.view}: checking {len(inputs)} accepted files")
        found = dict(zip(inputs, self.paths(version, {file.path: file.sha256 for file in inputs}, say), strict=True))
        contracts = dict.fromkeys(file.dataset for file in inputs)
        return {name: [path for file, path in found.items() if file.dataset == name] for name in contracts}

    def paths(self, version: SealedVersion, files: Mapping[str, str], say: Say) -> list[Path]:
        """Return where files of a version lie, each with the bytes that were sealed.

        Args:
            version: The version.
            files: Path below the workspace and SHA-256.
            say: Told what is brought back.

        Raises:
            RemoteDamaged: A file is gone or changed here, and the remote cannot give it back.
        """
        wrong = {path: sha256 for path, sha256 in files.items() if self._hash_of(self._root / path) != sha256}
        if wrong:
            say(f"{version.view}: fetching {len(wrong)} of {len(files)} files from the DVC remote")
            tracked = files_at(Git(self._root), version.commit, wrong)
            Remote(self._remote_url).fetch_all(tracked, self._root)
        return [self._root / path for path in files]

    def _hash_of(self, path: Path) -> str | None:
        if not path.is_file():
            return None
        stat = path.stat()
        key = (path, stat.st_size, stat.st_mtime_ns)
        if key not in self._right:
            self._right[key] = sha256_file(path)
        return self._right[key]
