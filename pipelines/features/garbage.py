"""Collect garbage: what abandoned builds and killed seals left in the workspace and in its DVC cache.

Kept is what the data branch's head names, what any evidence tag names, and what the evidence log names: every recorded
version whether or not its tag is in this clone, and every accepted file that a receipt let in. The remote is never
touched; it only grows.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from feature_store.versions.git import Git
from feature_store.versions.manifest import Manifest
from feature_store.versions.remote import tracked_outputs
from feature_store.versions.tags import TAG_PREFIX
from ledgerline.audit import Kind, Ledger
from ledgerline.core.identity import sha256_file
from pipelines.features.workspace import Workspace

_DVC_FILE = ".dvc"
_CACHED = re.compile(r"[0-9a-f]{32}(\.dir)?$")
_MD5 = re.compile(rb"\bmd5: ['\"]?([0-9a-f]{32}(?:\.dir)?)\b")


@dataclass(frozen=True, slots=True)
class Garbage:
    """What nothing names.

    Attributes:
        files: Files of the workspace, of its cache and of what is remembered beside it.
        size: Their bytes together.
    """

    files: tuple[Path, ...]
    size: int


@dataclass(frozen=True, slots=True)
class _Named:
    """What must stay.

    Attributes:
        paths: Files, and folders with all that is in them, below the workspace.
        objects: DVC's names of objects in its cache.
        contents: SHA-256 of files, whatever DVC calls them.
    """

    paths: set[str]
    objects: set[str]
    contents: set[str]


def collect_garbage(
    ledger: Ledger, *, dry_run: bool = False, progress: Callable[[str], None] = lambda _: None
) -> Garbage:
    """Remove what nothing names, or say what that would be.

    Args:
        ledger: The installation.
        dry_run: Remove nothing.
        progress: Told when another process must be waited for.
    """
    workspace = Workspace(ledger.settings, ledger.clock)
    if not (workspace.path / ".git").exists():
        return Garbage((), 0)
    with workspace.locked(progress):
        named = _named(ledger, workspace)
        found = [*_unnamed_files(workspace, named), *_unnamed_objects(workspace, named), *_forgotten(workspace, named)]
        size = sum(path.stat().st_size for path in found)
        if not dry_run:
            for path in found:
                path.unlink()
    return Garbage(tuple(found), size)


def _named(ledger: Ledger, workspace: Workspace) -> _Named:
    git = workspace.git
    named = _Named(set(), set(), set())
    versions = ledger.log.leaves(Kind.FEATURE_VERSION)
    commits = {leaf.detail["commit"] for leaf in versions}
    tags = git.run("for-each-ref", "--format=%(objectname)", f"refs/tags/{TAG_PREFIX}/").splitlines()
    for commit in {"HEAD", *tags, *commits}:
        if git.commit(commit) is not None:
            _add_commit(git, commit, named)
    for leaf in versions:
        files = Manifest.from_bytes(ledger.objects.get(leaf.identity["manifest"])).files
        named.paths.update(files)
        named.contents.update(files.values())
    for kind in (Kind.VALIDATION_RECEIPT, Kind.RELEASE):
        for leaf in ledger.log.leaves(kind):
            if path := leaf.detail.get("accepted_path"):
                named.paths.add(path)
                named.contents.add(leaf.identity["accepted_sha256"])
    return named


def _add_commit(git: Git, commit: str, named: _Named) -> None:
    """Add what a commit's ``.dvc`` files and ``dvc.lock`` name."""
    files = git.run("ls-tree", "-r", "-z", "--name-only", commit).split("\0")
    tracked = [name for name in files if name.endswith(_DVC_FILE)]
    *contents, lock = git.read(*(f"{commit}:{name}" for name in (*tracked, "dvc.lock")))
    for name, content in zip(tracked, contents, strict=True):
        outputs = tracked_outputs(content or b"", name)
        named.paths.update(outputs)
        named.objects.update(outputs.values())
    named.objects.update(found.decode() for found in _MD5.findall(lock or b""))


def _unnamed_files(workspace: Workspace, named: _Named) -> Iterable[Path]:
    """Yield Parquet files of accepted rows and of features, half-written ones included."""
    for folder in ("accepted", "features"):
        for path in sorted((workspace.path / "data" / folder).rglob("*.parquet")):
            own = path.relative_to(workspace.path)
            if named.paths.isdisjoint(each.as_posix() for each in (own, *own.parents)):
                yield path


def _unnamed_objects(workspace: Workspace, named: _Named) -> Iterable[Path]:
    """Yield objects of DVC's cache; what is about to go is hashed first, in case it is a version's after all."""
    cache = workspace.path / ".dvc" / "cache" / "files" / "md5"
    objects = {path.parent.name + path.name: path for path in sorted(cache.glob("??/*"))}
    kept = set(named.objects)
    for name in named.objects:
        if name.endswith(".dir") and name in objects:
            kept.update(re.findall(r'"md5": "([0-9a-f]{32})"', objects[name].read_text()))
    for name, path in objects.items():
        if not _CACHED.match(name) or (name not in kept and sha256_file(path) not in named.contents):
            yield path


def _forgotten(workspace: Workspace, named: _Named) -> Iterable[Path]:
    """Yield digests of files that are no longer there to be built from."""
    for path in sorted(workspace.memory.glob("*/*")):
        if re.split(r"[-.]", path.name, maxsplit=1)[0] not in named.contents:
            yield path
