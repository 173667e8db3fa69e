"""Seal a feature version: exactly its new files, one commit, one push, the remote checked, and only then the tag."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feature_store.versions.git import Git
from feature_store.versions.manifest import Manifest, manifest_path, view_folder
from feature_store.versions.remote import Remote, TrackedFile, md5_of, tracked_md5
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
    hold what is new, by its hashes, and everything else in its size. What it lost, or another remote lacks, is pushed
    again and read back too.

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
    remote = Remote(workspace.remote_url)
    with workspace.dvc() as dvc:
        before = _sealed_before(workspace, manifest)
        untracked = _untracked(workspace, manifest.files, before)
        say(f"sealing {len(untracked)} new files of {len(manifest.files)}")
        if untracked:
            dvc.add([str(workspace.path / path) for path in untracked], relink=False)
        commit = _commit(workspace, manifest, untracked)
        new, old = _split(files_at(workspace.git, commit, manifest.files), before)
        _push(dvc, workspace, new)
        lost = remote.not_in_place(old)
        _push(dvc, workspace, lost)
    remote.verify([*new, *lost], remedy="Remove damaged ones there and build again: DVC pushes what is missing")
    workspace.git.run("update-ref", f"refs/tags/{tag}", commit)
    return Sealed(commit, tag)


def _sealed_before(workspace: Workspace, manifest: Manifest) -> Mapping[str, str]:
    """Return the files of the view's last version, if that one was sealed to the end: those the remote has held."""
    (content,) = workspace.git.read(f"HEAD:{manifest_path(manifest.view)}")
    if content is None:
        return {}
    last = Manifest.from_bytes(content)
    tag = tag_of(last.view, last.version)
    return last.files if workspace.git.commit(f"refs/tags/{tag}") else {}


def _split(
    files: Sequence[TrackedFile], before: Mapping[str, str]
) -> tuple[Sequence[TrackedFile], Sequence[TrackedFile]]:
    """Return the files that the remote was not seen to hold, and those of the last version."""
    new = [file for file in files if before.get(file.path) != file.sha256]
    return new, [file for file in files if before.get(file.path) == file.sha256]


def _push(dvc: Any, workspace: Workspace, files: Sequence[TrackedFile]) -> None:
    if files:
        dvc.push(targets=[str(workspace.path / f"{file.path}.dvc") for file in files])


def _untracked(workspace: Workspace, files: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """Return the files whose bytes the last commit does not name; those of the last version need no reading."""
    unsure = [path for path, sha256 in files.items() if before.get(path) != sha256]
    dvc_files = workspace.git.read(*(f"HEAD:{path}.dvc" for path in unsure)) if unsure else []
    return [
        path
        for path, dvc_file in zip(unsure, dvc_files, strict=True)
        if dvc_file is None or tracked_md5(dvc_file) != md5_of(workspace.path / path)
    ]


def _commit(workspace: Workspace, manifest: Manifest, new: Sequence[str]) -> str:
    """Commit the manifest and the ``.dvc`` files of new files, without those of files that the version lacks."""
    git = workspace.dated_git()
    write_atomically(workspace.path / manifest_path(manifest.view), manifest.to_bytes())
    _for_each(git, "add", [manifest_path(manifest.view), *(f"{path}.dvc" for path in new)])
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
