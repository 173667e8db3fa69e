"""Read the project's code exactly as it stands, uncommitted edits included, into another repository.

The project is only read: its objects are fetched, and its files are added to a temporary index of the other repository.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from feature_store.versions.git import Git

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProjectState:
    """The project's files at one moment, as objects of the repository that read them.

    Attributes:
        head: The commit that is checked out; None where the project has no readable history.
        tree: The files as they are, ignored ones and folders of state left out.
        edited: Whether they differ from ``head``.
    """

    head: str | None
    tree: str
    edited: bool

    def commit(self, git: Git) -> str:
        """Return a commit of exactly these files: ``head``, or a snapshot on top of it."""
        if self.head and not self.edited:
            return self.head
        parents = ["-p", self.head] if self.head else []
        return git.run("commit-tree", self.tree, *parents, "-m", "Snapshot the project's uncommitted state")


def read_project(git: Git, project: Path, *, not_code: Sequence[Path]) -> ProjectState:
    """Read the project's files into ``git``'s repository.

    Args:
        git: The repository that receives the objects.
        project: The project's folder: a git checkout, or a plain folder, which then has no past.
        not_code: Folders of state, left out where they lie within the project.
    """
    head = _fetch_head(git, project)
    tree = _tree_of_files(git, project, head, not_code)
    return ProjectState(head, tree, edited=head is None or git.run("rev-parse", f"{head}^{{tree}}") != tree)


def _fetch_head(git: Git, project: Path) -> str | None:
    if not (project / ".git").exists():
        return None
    if git.answers("fetch", "--quiet", "--no-tags", "--update-shallow", str(project), "HEAD") is None:
        _log.warning("the history of %s cannot be read; its files are versioned without it", project)
        return None
    return git.commit("FETCH_HEAD")


def _tree_of_files(git: Git, project: Path, head: str | None, not_code: Sequence[Path]) -> str:
    git_folder = git.root / ".git"
    _exclude(git_folder, project, not_code)
    index = git_folder / f"project-{uuid.uuid4().hex}.index"
    places = {"GIT_DIR": str(git_folder), "GIT_WORK_TREE": str(project), "GIT_INDEX_FILE": str(index)}
    reading = replace(git.with_environment(places), root=project)
    try:
        if head:
            reading.run("read-tree", head)  # so that files which are tracked though ignored stay in
        reading.run("add", "--all", ".")
        return reading.run("write-tree")
    finally:
        index.unlink(missing_ok=True)


def _exclude(git_folder: Path, project: Path, folders: Sequence[Path]) -> None:
    """Name state folders inside the project in the repository's own exclude file: the project's is not ours."""
    root = project.resolve()
    within = [folder.relative_to(root) for each in folders if (folder := each.resolve()).is_relative_to(root)]
    lines = [f"/{folder.as_posix()}/\n" for folder in within if folder != Path()]
    (git_folder / "info").mkdir(exist_ok=True)
    (git_folder / "info" / "exclude").write_text("".join(lines), encoding="utf-8")
