"""The workspace: a git clone of the project, on branch ``data``, in which DVC versions accepted data and features.

One process at a time works in it, under a file lock beside it. A mark beside the lock says that work is going on; found
at the start, it says that somebody was killed, and what they left is cleared away before anything else.
"""

import fcntl
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from feature_store.versions.git import Git
from ledgerline.core.clock import Clock
from ledgerline.core.settings import Settings
from ledgerline.core.storage import write_atomically
from pipelines.features.code_tree import ProjectState, read_project
from pipelines.features.errors import WorkspaceUnusable

BRANCH = "data"
REMOTE = "ledgerline"

_DATA_OWNED = ("data", "dvc.lock", ".dvc")  # of these the data branch decides, of everything else the project
_OURS = "ledgerline.workspace"  # in the clone's git configuration: made by us, ours to reset
_DVC_LOCKS = ("rwlock", "rwlock.lock", "lock")
_DVC_IGNORES = "/config.local\n/tmp\n/cache\n"
_DATA_IGNORES = "# DVC keeps these; their .dvc files are in git.\n*.parquet\n"


class Workspace:
    """The clone at ``settings.workspace_path``; it is made on first use, also around accepted files already there.

    Args:
        settings: The installation's settings.
        clock: Dates the commits.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.path = settings.workspace_path.resolve()
        self.git = Git(self.path)
        self.memory = self.path.with_name(f".{self.path.name}.memory")  # what is remembered of files; a cache
        self._lock = self.path.with_name(f".{self.path.name}.lock")
        self._busy = self.path.with_name(f".{self.path.name}.busy")

    @contextmanager
    def locked(self, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
        """Hold the workspace alone; a kill meanwhile is noticed and cleared away by whoever comes next.

        Args:
            say: Told when another process must be waited for.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another process works in the workspace; waiting for it")
                fcntl.flock(stream, fcntl.LOCK_EX)
            self.git = Git(self.path, holding=(stream.fileno(),))
            try:
                if self._busy.exists():
                    self._recover()
                yield
                self._busy.unlink(missing_ok=True)  # not on an error: whatever it left is cleared away next time
            finally:
                self.git = Git(self.path)

    def prepare(self) -> str:
        """Bring the clone into being and its code up to the project's; return the commit that it stands at.

        Raises:
            WorkspaceUnusable: The folder holds a repository that Ledgerline did not make.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._is_ours():
            raise WorkspaceUnusable(
                f"{self.path} is a git repository that Ledgerline did not make; "
                "set LEDGERLINE_WORKSPACE to a folder of its own"
            )
        self._busy.touch()
        self._ensure_repository()
        git = self.dated_git()
        head = git.commit("HEAD")
        project = read_project(git, self._settings.project, not_code=self._state_folders())
        tree = self._tree(git, project.tree, head)
        if not (head and self._follows(git, project, head, tree)):
            code = project.commit(git)
            parents = [part for parent in (head, code) if parent for part in ("-p", parent)]
            head = git.run("commit-tree", tree, *parents, "-m", f"Follow the project's code at {code[:12]}")
            git.run("reset", "--quiet", "--hard", head)
        self._write_local_configuration()
        return head

    @property
    def remote_url(self) -> str:
        """The DVC remote as a URL or an absolute path, for clones lie elsewhere."""
        url = self._settings.dvc_remote_url
        return url if "://" in url else str(Path(url).resolve())

    def dated_git(self) -> Git:
        """The clone, its commits dated by the installation's clock."""
        return self.git.at(self._clock.now())

    def dvc(self) -> Any:
        """Open the clone with DVC; use it as a context manager."""
        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.WARNING)
        return Repo(str(self.path))

    def _is_ours(self) -> bool:
        """Whether nothing would be lost: there is no repository yet, no commit in it, or it is marked as ours."""
        return (
            not (self.path / ".git").exists()
            or self.git.answers("config", "--local", _OURS) == "true"
            or self.git.commit("HEAD") is None
        )

    def _ensure_repository(self) -> None:
        if self.git.answers("config", "--local", _OURS) != "true" or self.git.commit("HEAD") is None:
            self.git.run("init", "--quiet")
            self.git.run("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
            self.git.run("config", _OURS, "true")

    def _tree(self, git: Git, code_tree: str, head: str | None) -> str:
        """Return the project's tree with the data branch's own files in it."""
        index = self.path / ".git" / "follow.index"
        index.unlink(missing_ok=True)
        build = git.with_environment({"GIT_INDEX_FILE": str(index)})
        build.run("read-tree", code_tree)
        build.run("rm", "-r", "--force", "--cached", "--quiet", "--ignore-unmatch", *_DATA_OWNED)
        for name in _DATA_OWNED if head else ():
            self._take_over(build, f"{head}:{name}", name)
        for name, content in self._own_files().items():
            blob = build.run("hash-object", "-w", "--stdin", stdin=content)
            build.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
        tree = build.run("write-tree")
        index.unlink()
        return tree

    @staticmethod
    def _take_over(build: Git, source: str, name: str) -> None:
        kind = build.answers("cat-file", "-t", source)
        if kind == "tree":
            build.run("read-tree", f"--prefix={name}/", source)
        elif kind == "blob":
            build.run("update-index", "--add", "--cacheinfo", f"100644,{build.run('rev-parse', source)},{name}")

    def _own_files(self) -> dict[str, str]:
        return {
            ".dvc/config": _dvc_configuration(self.remote_url),
            ".dvc/.gitignore": _DVC_IGNORES,
            "data/.gitignore": _DATA_IGNORES,
        }

    def _write_local_configuration(self) -> None:
        """Keep DVC's state within the workspace: its default is one folder for the whole machine."""
        content = f"[core]\n    site_cache_dir = {self.path / '.dvc' / 'tmp' / 'site'}\n"
        write_atomically(self.path / ".dvc" / "config.local", content.encode())

    def _state_folders(self) -> list[Path]:
        settings = self._settings
        folders = [settings.home, settings.workspace_path, self.memory, settings.data_path, settings.keys_path]
        return folders + [Path(url) for url in (settings.dvc_remote_url, settings.objects_url) if "://" not in url]

    @staticmethod
    def _follows(git: Git, project: ProjectState, head: str, tree: str) -> bool:
        """Whether ``head`` holds the project's files as they are, and the commit that they are at in its past."""
        if git.run("rev-parse", f"{head}^{{tree}}") != tree:
            return False
        return project.edited or git.answers("merge-base", "--is-ancestor", str(project.head), head) is not None

    def _recover(self) -> None:
        """Clear away what a killed process left: locks, half-written commits, files that no commit names."""
        if not (self.path / ".git").exists() or not self._is_ours():
            return
        for left in (*(self.path / ".git").rglob("*.lock"), *(self.path / ".git").glob("*.index")):
            left.unlink(missing_ok=True)
        for name in _DVC_LOCKS:
            (self.path / ".dvc" / "tmp" / name).unlink(missing_ok=True)
        if not self.git.commit("HEAD"):
            return
        self.git.run("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
        self.git.run("reset", "--quiet", "--hard", "HEAD")
        self.git.run("clean", "--force", "-d", "--quiet")
        self._write_local_configuration()
        with self.dvc() as repo:
            repo.checkout(force=True, allow_missing=True)


def _dvc_configuration(remote_url: str) -> str:
    return (
        "[core]\n"
        "    analytics = false\n"
        "    autostage = false\n"
        "    check_update = false\n"
        f"    remote = {REMOTE}\n"
        "[cache]\n"
        "    type = copy\n"
        f"['remote \"{REMOTE}\"']\n"
        f"    url = {remote_url}\n"
        "    verify = true\n"
    )
