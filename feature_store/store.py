"""The feature store as a quant holds it in a notebook: what there is, training sets, online features, versions."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from feature_store.dataframes import Frame, as_polars, beside, columns_of
from feature_store.description import ViewDescription, ViewDescriptions
from feature_store.errors import DecisionsAfterVersion, SourceInvalid, UnknownView, VersionUnknown, WorkspaceNotFound
from feature_store.names import hint
from feature_store.progress import telling
from feature_store.selection import FeatureNames, selected
from feature_store.training_set import KnownFeatures, instants_of, require_current
from feature_store.versions.files import VersionFiles
from feature_store.versions.git import Git
from feature_store.versions.restore import restore_from_clone
from feature_store.versions.sealed import SealedVersion, SealedVersions, sealed_versions
from feature_store.view import FeatureView
from feature_store.views import FEATURE_SETS, VIEWS, View, view_named
from ledgerline.core.settings import Settings

if TYPE_CHECKING:
    from feature_store.online_reader import OnlineReader

Version = str | SealedVersion
"""A sealed version, its id, as many leading digits of that as tell it from others, or its tag."""

_DVC_CONFIGURATION = "HEAD:.dvc/config"
_SHOWN_DIGITS = 16


class FeatureStore:
    """Features as they were known, from the sealed versions of one workspace.

    Opening it is cheap. It writes nothing into the workspace but files that DVC keeps and that are missing.

    Args:
        workspace: The git clone that feature versions are sealed in, or a clone of it.
        remote_url: The DVC remote, as reached from here: a path, or any URL that fsspec reaches.
        objects_url: The installation's object store, from which online features start; None if it is out of reach:
            they then start from accepted rows.

    Example:
        >>> store = FeatureStore.open()
        >>> X = store.training_set("fraud", entities=payments)
        >>> store.online("fraud").get(at=now, customer_id="596", terminal_id="3156")
    """

    def __init__(self, workspace: Path, remote_url: str, objects_url: str | None = None) -> None:
        self._workspace = workspace
        self._git = Git(workspace)
        self._remote_url = remote_url
        self._objects_url = objects_url
        self._files = VersionFiles(workspace, remote_url)

    @classmethod
    def open(
        cls, workspace: str | Path | None = None, *, remote_url: str | None = None, objects_url: str | None = None
    ) -> "FeatureStore":
        """Open the store of an installation, or of any clone of its workspace.

        Args:
            workspace: The clone's folder. None takes the installation's, as the environment says
                (``LEDGERLINE_WORKSPACE``, ``LEDGERLINE_HOME``, …), and its remote and objects with it.
            remote_url: The DVC remote. None takes the installation's or, of a clone, the one that it names.
            objects_url: The object store. None takes the installation's or, of a clone, none.

        Raises:
            WorkspaceNotFound: There is no git repository, or it names no DVC remote.
        """
        if workspace is not None:
            folder = Path(workspace).resolve()
            return cls(folder, remote_url or _remote_named_by(folder), objects_url)
        settings = Settings()
        folder = settings.workspace_path.resolve()
        _require_repository(folder)
        return cls(folder, remote_url or _absolute(settings.dvc_remote_url), objects_url or settings.objects_url)

    @property
    def views(self) -> ViewDescriptions:
        """Every declared view by name, with its newest version; prints as a table."""
        return ViewDescriptions({name: self.describe(name) for name in VIEWS})

    @property
    def feature_sets(self) -> Mapping[str, tuple[str, ...]]:
        """What the models of each family read, by the names that :meth:`training_set` and :meth:`online` take."""
        return FEATURE_SETS

    def describe(self, name: str) -> ViewDescription:
        """Return what a view, or the feature set of one view, holds: features, units, owner, TTL, sources, version.

        Raises:
            UnknownView: Nothing is called so, with the nearest.
        """
        selections = selected(name)
        if len(selections) > 1:
            raise UnknownView(f"{name} is made of several views; describe one of {', '.join(FEATURE_SETS[name])}")
        view = selections[0].view
        return ViewDescription.of(view, self.versions(view.name).newest)

    def versions(self, view: str) -> SealedVersions:
        """Return a view's sealed versions, oldest first, as the workspace's tags ``evidence/<view>/<id>`` name them.

        Raises:
            UnknownView: No view is called so, with the nearest.
        """
        return sealed_versions(self._git, _view(view).name, fingerprint=_view(view).fingerprint)

    def restore(self, view: str, version: Version | None = None, into: str | Path | None = None) -> list[Path]:
        """Bring a version's manifest and features back byte for byte, from git and the DVC remote alone.

        Every file is hashed on its way and appears under its name only once it proved right.

        Args:
            view: The view.
            version: Which; None for the newest of today's definition.
            into: The folder, made if need be. None takes ``restored/<view>-<version>`` in the working directory.

        Returns:
            The files, the manifest first.

        Raises:
            VersionUnknown: No version, or several, are meant.
            RemoteDamaged: The remote cannot give a file back as it was sealed.
        """
        sealed = self._version(_view(view), version)
        folder = Path(into) if into else Path("restored") / f"{sealed.view}-{sealed.id[:_SHOWN_DIGITS]}"
        return restore_from_clone(self._workspace, self._remote_url, sealed.tag, folder)

    def rows(self, view: str, version: Version | None = None, *, progress: bool = True) -> pl.LazyFrame:
        """Return a version's sealed rows, key columns and features, in arrival order; every file is hashed first.

        Raises:
            VersionUnknown: No version, or several, are meant.
            RemoteDamaged: A file is wrong here, and the remote cannot give it back.
        """
        sealed = self._version(_view(view), version)
        with telling(progress) as say:
            return pl.scan_parquet(self._files.partitions(sealed, say), glob=False)

    def training_set(
        self,
        name: FeatureNames,
        entities: Frame,
        *,
        at: str = "at",
        version: Version | Mapping[str, Version] | None = None,
        keep: Collection[str] | None = None,
        progress: bool = True,
    ) -> Frame:
        """Return entity rows with features as they were known at each row's decision.

        Every row is there exactly once, in the order given; its features are null where nothing was known, and where
        what was known is older than the view's TTL (of an event by its id: was, when it came). How a row names
        what it is about:

        - a view over tables: by its entities and an instant. Of the rows that were available by then, the newest.
        - a view over events: by its entities and an instant, and every window is computed as of then from the accepted
          rows that the version was built from (features of an event itself are null: there is none); or by the event's
          id, and it is that event's sealed row, decided when the event came: so was its TTL applied, and the row does
          not expire however much later the decision is. If there is an instant beside the id, events that came only
          after it have nulls.

        Args:
            name: A feature set (``"fraud"``), a view, ``"view:feature"``, or a list of them.
            entities: A pandas or polars frame, one row a decision; further columns (labels, weights) are kept. What
                names an entity has the type of the view's contract: text.
            at: The column that holds each row's decision: an instant with a time zone.
            version: Which version to read, of one view or by view. None takes the newest that was sealed under today's
                definition. Sealed rows of another definition are read only where their version is named.
            keep: Which columns of ``entities`` the result has; None for all.
            progress: Whether to say what is going on, where somebody looks.

        Returns:
            A frame of the kind given: the kept columns, then the features in the view's order. In pandas whole numbers
            are ``int64``, or ``float64`` where some are null.

        Raises:
            UnknownView: Nothing is called ``name``, with the nearest.
            UnknownFeature: A view has no such feature, with the nearest.
            SourceInvalid: A column is absent, of another type or without a time zone, or would be there twice.
            VersionUnknown: No version is sealed, or none or several are meant.
            DefinitionChanged: The version was sealed under another definition than today's.
            RemoteDamaged: A file of a version is wrong here, and the DVC remote cannot give it back.

        Warns:
            DecisionsAfterVersion: Decisions are later than a version's ``as_of``: nothing later is in it.
        """
        given = columns_of(entities)
        asked = self._asked(name, version, given)
        kept = set(given if keep is None else keep)
        _check_columns(given, kept, asked)
        needed = {column for known in asked for column in (*known.named_by(at), at)}
        decided = at if at in given else None
        rows = as_polars(entities, [column for column in given if column in needed], instant=decided)
        for known in asked:
            _warn_of_later_decisions(known, rows, at)
        with telling(progress) as say:
            features = [known.as_known(rows, at, self._files, say) for known in asked]
        return beside(entities, kept, pl.concat(features, how="horizontal"))

    def online(
        self,
        name: FeatureNames,
        *,
        version: Version | Mapping[str, Version] | None = None,
        progress: bool = True,
    ) -> "OnlineReader":
        """Return features one decision at a time, by the executor that live jobs answer with.

        They start from what the version knew; :meth:`~feature_store.online_reader.OnlineReader.get` answers decisions
        from the version's ``as_of`` on.

        Args:
            name: As for :meth:`training_set`.
            version: Likewise.
            progress: Whether to say what is going on, where somebody looks.

        Raises:
            UnknownView: Nothing is called ``name``, with the nearest.
            UnknownFeature: A view has no such feature, with the nearest.
            VersionUnknown: No version is sealed, or none or several are meant.
            DefinitionChanged: The version was sealed under another definition than today's.
            RemoteDamaged: A file of a version is wrong here, and the DVC remote cannot give it back.
        """
        from feature_store.online_reader import OnlineReader

        asked = self._asked(name, version, given=())
        for known in asked:
            require_current(known.view, known.version)
        with telling(progress) as say:
            return OnlineReader.starting_from(asked, self._files, self._objects_url, say)

    def __repr__(self) -> str:
        return f"FeatureStore({str(self._workspace)!r}): {', '.join(VIEWS)}"

    def _asked(
        self, names: FeatureNames, version: Version | Mapping[str, Version] | None, given: Sequence[str]
    ) -> list[KnownFeatures]:
        selections = selected(names)
        chosen = _by_view(version, [selection.view.name for selection in selections])
        asked = []
        for selection in selections:
            sealed = self._version(selection.view, chosen.get(selection.view.name))
            asked.append(KnownFeatures.of(selection.view, sealed, selection.of(sealed.features), given))
        return asked

    def _version(self, view: View, version: Version | None) -> SealedVersion:
        """Return the version meant; without a name the newest under today's definition."""
        versions = self.versions(view.name)
        if version is not None:
            return versions.named(version)
        newest = versions.newest
        if newest is None:
            raise VersionUnknown(
                f"{self._workspace} has no sealed version of {view.name}; build one: "
                f"`ledgerline features build {view.name}`"
            )
        require_current(view, newest)
        return newest


def _view(name: str) -> View:
    """Return a view by its own name, or by that of a feature set that is this view."""
    views = FEATURE_SETS.get(name, (name,))
    return view_named(views[0] if len(views) == 1 else name)


def _by_view(version: Version | Mapping[str, Version] | None, views: Sequence[str]) -> Mapping[str, Version]:
    if version is None:
        return {}
    if isinstance(version, Mapping):
        for name in version:
            if name not in views:
                raise UnknownView(f"a version is named of {name!r}, which is not asked for; {hint(name, views)}")
        return version
    if len(views) > 1:
        raise VersionUnknown(f"one version is named, and features of {', '.join(views)} are asked for; pass a mapping")
    return {views[0]: version}


def _check_columns(given: Sequence[str], kept: Collection[str], asked: Sequence[KnownFeatures]) -> None:
    """Refuse columns to keep that are absent, and names that the result would have twice."""
    for column in kept:
        if column not in given:
            raise SourceInvalid(f"entities have no column {column!r} to keep; {hint(column, given)}")
    taken = dict.fromkeys(kept, "the entities")
    for known in asked:
        for feature in known.features:
            if feature in taken:
                raise SourceInvalid(
                    f"both {taken[feature]} and {known.view.name} have a column {feature}; name the columns to keep "
                    "(keep=[…]), or the features wanted (view:feature)"
                )
            taken[feature] = known.view.name


def _warn_of_later_decisions(known: KnownFeatures, rows: pl.DataFrame, at: str) -> None:
    if at not in rows.columns or (isinstance(known.view, FeatureView) and known.by_event):
        return
    as_of = known.version.as_of
    later = rows.filter(pl.col(at) > as_of).height
    if later:
        _, last = instants_of(rows, at)
        warnings.warn(
            f"{later:,} of {rows.height:,} decisions, the last at {last:%Y-%m-%d %H:%M} UTC, are later than "
            f"{known.view.name} {known.version.id[:_SHOWN_DIGITS]} knows ({as_of:%Y-%m-%d %H:%M} UTC): what came in "
            f"between is not in their features; build a newer version (`ledgerline features build {known.view.name}`)",
            DecisionsAfterVersion,
            stacklevel=3,
        )


def _require_repository(folder: Path) -> None:
    if not folder.is_dir() or Git(folder).answers("rev-parse", "--git-dir") is None:
        raise WorkspaceNotFound(
            f"{folder} is no git repository; set LEDGERLINE_WORKSPACE or pass the workspace's path. `make run`, or "
            "`ledgerline features build`, makes one"
        )


def _remote_named_by(folder: Path) -> str:
    """Return the DVC remote that a clone's committed configuration names."""
    _require_repository(folder)
    (content,) = Git(folder).read(_DVC_CONFIGURATION)
    configuration = ConfigParser(interpolation=None)
    configuration.read_string((content or b"").decode())
    name = configuration.get("core", "remote", fallback="")
    url = configuration.get(f"'remote \"{name}\"'", "url", fallback="")
    if not url:
        raise WorkspaceNotFound(f"{folder} names no DVC remote in .dvc/config; pass remote_url=…")
    return url


def _absolute(url: str) -> str:
    return url if "://" in url else str(Path(url).resolve())
