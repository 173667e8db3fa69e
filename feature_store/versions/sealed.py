"""The sealed versions of a view as a workspace's tags name them, with what each says about itself."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from feature_store.display import html_table, text_table
from feature_store.errors import VersionUnknown
from feature_store.versions.git import Git
from feature_store.versions.manifest import Manifest, manifest_path
from feature_store.versions.tags import TAG_PREFIX

_SHOWN_DIGITS = 16
_COMMIT_DIGITS = 12
_HEADINGS = ("version", "as of (UTC)", "rows", "features", "fingerprint", "commit", "definition")


@dataclass(frozen=True, slots=True)
class SealedVersion:
    """One sealed version of a view.

    Attributes:
        manifest: What it says about itself.
        tag: What names it in git.
        commit: The workspace's commit that holds its code, parameters and ``.dvc`` files together.
        is_current: Whether it was sealed under today's definition of the view.
    """

    manifest: Manifest = field(repr=False)
    tag: str
    commit: str
    is_current: bool

    @property
    def view(self) -> str:
        """The view's name."""
        return self.manifest.view

    @property
    def id(self) -> str:
        """What evidence calls it: SHA-256, in hexadecimal digits."""
        return self.manifest.version

    @property
    def as_of(self) -> datetime:
        """Nothing that became available later is in it; UTC."""
        return self.manifest.as_of

    @property
    def rows(self) -> int:
        """How many rows of features it has."""
        return self.manifest.rows

    @property
    def features(self) -> tuple[str, ...]:
        """Their names, in order."""
        return self.manifest.features

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the definition that it was sealed under."""
        return self.manifest.fingerprint

    def __repr__(self) -> str:
        return (
            f"SealedVersion({self.view} {self.id[:_SHOWN_DIGITS]}, as of {self.as_of:%Y-%m-%d %H:%M} UTC, "
            f"{self.rows:,} rows, {len(self.features)} features, {self._definition} definition)"
        )

    def _repr_html_(self) -> str:
        return html_table(_HEADINGS, [self.cells], caption=self.view)

    @property
    def cells(self) -> tuple[str, ...]:
        """What a table says of it."""
        return (
            self.id[:_SHOWN_DIGITS],
            f"{self.as_of:%Y-%m-%d %H:%M}",
            f"{self.rows:,}",
            str(len(self.features)),
            self.fingerprint[:_COMMIT_DIGITS],
            self.commit[:_COMMIT_DIGITS],
            self._definition,
        )

    @property
    def _definition(self) -> str:
        return "today's" if self.is_current else "another"


class SealedVersions(tuple[SealedVersion, ...]):
    """The sealed versions of one view, oldest first; it prints as a table."""

    __slots__ = ()

    @property
    def newest(self) -> SealedVersion | None:
        """The last that was sealed under today's definition; if there is none, the last; None if there are none."""
        current = [version for version in self if version.is_current]
        return max(current or self, key=self.index, default=None)

    def named(self, version: "str | SealedVersion") -> SealedVersion:
        """Return the one whose id starts with ``version``, or whose tag it is.

        Raises:
            VersionUnknown: None is, or several are.
        """
        if isinstance(version, SealedVersion):
            version = version.id
        found = [each for each in self if version and (each.id.startswith(version) or each.tag == version)]
        if len(found) != 1:
            there_are = ", ".join(each.id[:_SHOWN_DIGITS] for each in self) or "none"
            raise VersionUnknown(f"{len(found) or 'no'} sealed versions are called {version!r}; there are: {there_are}")
        return found[0]

    def __repr__(self) -> str:
        return text_table(_HEADINGS, (version.cells for version in self)) if self else "no sealed version"

    def _repr_html_(self) -> str:
        return html_table(_HEADINGS, (version.cells for version in self))


def sealed_versions(git: Git, view: str, *, fingerprint: str) -> SealedVersions:
    """Return every sealed version of a view, by ``as_of`` and, of one ``as_of``, as they were sealed.

    A tag that no longer points at the manifest that it is named after is left out, with a warning.

    Args:
        git: The workspace.
        view: The view's name.
        fingerprint: Today's definition.
    """
    pattern = f"refs/tags/{TAG_PREFIX}/{view}/"
    listed = git.run("for-each-ref", "--format=%(objectname) %(refname:strip=2)", pattern).splitlines()
    commits = {tag: commit for commit, tag in (line.split(" ", 1) for line in listed)}
    contents = git.read(*(f"{commit}:{manifest_path(view)}" for commit in commits.values()))
    found = []
    for (tag, commit), content in zip(commits.items(), contents, strict=True):
        manifest = Manifest.from_bytes(content) if content else None
        if manifest is None or not manifest.version.startswith(tag.rsplit("/", 1)[-1]):
            warnings.warn(f"tag {tag} of {git.root} was moved: its manifest has another hash", stacklevel=2)
            continue
        found.append(SealedVersion(manifest, tag, commit, manifest.fingerprint == fingerprint))
    place = _places(git, commits.values())
    return SealedVersions(sorted(found, key=lambda version: (version.as_of, place[version.commit])))


def _places(git: Git, commits: Iterable[str]) -> dict[str, int]:
    """Return a number for each commit that is greater than those of the commits before it."""
    wanted = sorted(set(commits))
    newest_first = git.run("rev-list", "--topo-order", "--stdin", stdin="".join(f"{name}\n" for name in wanted))
    return {commit: -place for place, commit in enumerate(newest_first.split())}
