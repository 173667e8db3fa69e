"""Seal a feature version: exactly its new files, one commit, one push, the remote checked, and only then the tag."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from feature_store.versions.git import Git
from feature_store.versions.manifest import Manifest, manifest_path, view_folder
from feature_store.versions.remote import Remote, md5_of, tracked_md5
from feature_store.versions.tags import files_at, tag_of
from ledgerline.core.storage import write_atomically
from pipelines.features.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where a sealed version is found in git.

    Attributes:
        commit: The commit that holds code, parameters, manifest and ``.dvc`` files together.
        tag: What names it for good.
    """

    commit: str
    tag: str


def seal(workspace: Workspace, manifest: Manifest, *, say: Callable[[str], None]) -> Sealed:
    """Seal a version whose files lie in the workspace; sealed already, it is left as it is.

    Killed at any point, the next call starts from the last commit; the tag appears only once the remote has proved to
    hold every file of the version.

    Args:
        workspace: Held by the caller and prepared.
        manifest: What is sealed.
        say: Told what is going on.

    Raises:
        RemoteDamaged: The remote does not hold what was pushed.
    """
    tag = tag_of(manifest.view, manifest.version)
    if sealed := workspace.git.commit(f"refs/tags/{tag}"):
        return Sealed(sealed, tag)
    with workspace.dvc() as dvc:
        new = _untracked(workspace, manifest.files)
        say(f"sealing {len(new)} new files of {len(manifest.files)}")
        dvc.add([str(workspace.path / path) for path in new], relink=False)
        commit = _commit(workspace, manifest)
        dvc.push()
    Remote(workspace.remote_url).verify(files_at(workspace.git, commit, manifest.files))
    workspace.git.run("update-ref", f"refs/tags/{tag}", commit)
    return Sealed(commit, tag)


def _untracked(workspace: Workspace, files: Mapping[str, str]) -> list[str]:
    """Return the files whose bytes the last commit does not name."""
    dvc_files = workspace.git.read(*(f"HEAD:{path}.dvc" for path in files))
    return [
        path
        for path, dvc_file in zip(files, dvc_files, strict=True)
        if dvc_file is None or tracked_md5(dvc_file) != md5_of(workspace.path / path)
    ]


def _commit(workspace: Workspace, manifest: Manifest) -> str:
    """Commit the manifest and the ``.dvc`` files of this version, without those of files it no longer has."""
    git = workspace.dated_git()
    write_atomically(workspace.path / manifest_path(manifest.view), manifest.to_bytes())
    _for_each(git, "add", [manifest_path(manifest.view), *(f"{path}.dvc" for path in manifest.files)])
    if retired := _retired(git, manifest):
        _for_each(git, "rm", retired)
    if git.answers("diff", "--cached", "--quiet") is None:
        git.run("commit", "--quiet", "-m", f"Seal {tag_of(manifest.view, manifest.version)}")
    return git.run("rev-parse", "HEAD")


def _for_each(git: Git, command: str, paths: Sequence[str]) -> None:
    """Give paths to a git command through a pipe: there may be more than an argument list holds."""
    git.run(command, "--force", "--pathspec-from-file=-", stdin="".join(f"{path}\n" for path in paths))


def _retired(git: Git, manifest: Manifest) -> list[str]:
    tracked = git.run("ls-files", "--", f"{view_folder(manifest.view)}/*.parquet.dvc").splitlines()
    kept = {f"{partition.path}.dvc" for partition in manifest.partitions}
    return [path for path in tracked if path not in kept]
