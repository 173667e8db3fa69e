"""The features of a sealed version beside entity rows, as each row's decision knew them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_store.errors import DefinitionChanged, SourceInvalid
from feature_store.table_view import TableView
from feature_store.versions.files import VersionFiles
from feature_store.versions.sealed import SealedVersion
from feature_store.view import FeatureView

_SHOWN_DIGITS = 12

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class KnownFeatures:
    """Some features of one version, and how they are found for entity rows.

    Attributes:
        view: Today's declaration.
        version: The version that they are read from.
        features: Which.
        by_event: Whether entity rows name the view's own events; else they name entities and an instant.
    """

    view: FeatureView | TableView
    version: SealedVersion
    features: tuple[str, ...]
    by_event: bool

    @classmethod
    def of(
        cls, view: FeatureView | TableView, version: SealedVersion, features: tuple[str, ...], given: Sequence[str]
    ) -> "KnownFeatures":
        """Return how the features are found for entity rows that have the columns ``given``."""
        return cls(view, version, features, isinstance(view, FeatureView) and view.event_id in given)

    def named_by(self, at: str) -> tuple[str, ...]:
        """Return the columns that the entity rows must have."""
        if isinstance(self.view, TableView):
            return (*self.view.looked_up_by, at)
        return (self.view.event_id,) if self.by_event else (*self.view.entities, at)

    def as_known(self, rows: pl.DataFrame, at: str, files: VersionFiles, say: Say) -> pl.DataFrame:
        """Return the features alone, one row an entity row in the given order; null where nothing was known.

        Args:
            rows: The entity rows; ``at`` is Datetime in microseconds and UTC.
            at: The column that holds the decisions; where rows name events it may be absent, and then every event is
                taken as decided when it came.
            files: Where the version's files are.
            say: Told what is being done.

        Raises:
            SourceInvalid: A column is absent, or of another type than the view's.
            DefinitionChanged: The features would have to be computed, by another definition than the version's.
            RemoteDamaged: A file of the version is gone or changed, and the DVC remote cannot give it back.
        """
        self._check(rows, at)
        if self.by_event:
            return self._of_events(rows, at, files, say)
        if isinstance(self.view, TableView):
            return self._joined(self.view, rows, at, files, say)
        return self._decided(self.view, rows, at, files, say)

    def _check(self, rows: pl.DataFrame, at: str) -> None:
        absent = [name for name in self.named_by(at) if name not in rows.columns]
        if not absent:
            return
        instead = f", or {self.view.event_id}" if isinstance(self.view, FeatureView) else ""
        raise SourceInvalid(
            f"{self.view.name}: entities lack {', '.join(absent)}; a decision names {', '.join(self.named_by(at))}"
            f"{instead}. The instant's column is chosen by at=…; the columns are {', '.join(rows.columns)}"
        )

    def _of_events(self, rows: pl.DataFrame, at: str, files: VersionFiles, say: Say) -> pl.DataFrame:
        """Return the sealed row of each event; nulls where it is unknown, or came only after the decision.

        The view's TTL was applied when the event came. It is not again at the decision: what was known of the event
        does not age.
        """
        event_id = self.view.row_name[0]
        if rows.schema[event_id] != pl.String:
            raise SourceInvalid(f"{self.view.name}: entities have {event_id} as {rows.schema[event_id]}; it is String")
        sealed = pl.scan_parquet(files.partitions(self.version, say), glob=False)
        say(f"{self.view.name}: reading the rows of {rows.height:,} events")
        wanted = sealed.join(rows.lazy().select(event_id), on=event_id, how="semi")
        found = wanted.select(event_id, "available_at", *self.features).collect(engine="streaming")
        names = {name: f"feature {name}" for name in (*self.features, "available_at")}
        decided = rows.select(event_id, *([at] if at in rows.columns else []))
        joined = decided.join(found.rename(names), on=event_id, how="left", maintain_order="left")
        if at in rows.columns:
            came_later = pl.col(names["available_at"]) > pl.col(at)
            joined = joined.with_columns(
                pl.when(~came_later).then(pl.col(names[name])).alias(names[name]) for name in self.features
            )
        return joined.select(pl.col(names[name]).alias(name) for name in self.features)

    def _joined(self, view: TableView, rows: pl.DataFrame, at: str, files: VersionFiles, say: Say) -> pl.DataFrame:
        from feature_store.point_in_time import FeatureSource, point_in_time_join  # compiled code: a second to load

        source = FeatureSource(
            view.name, files.partitions(self.version, say), view.looked_up_by, self.features, view.ttl
        )
        decisions = rows.select(*view.looked_up_by, pl.col(at).alias("decided at"))
        # Features may bear the name of a key or of the caller's instant; none bears that of its own view and itself.
        joined = point_in_time_join(decisions, [source], decided_at="decided at", prefix=True, progress=say)
        return joined.select(pl.col(f"{view.name}__{name}").alias(name) for name in self.features)

    def _decided(self, view: FeatureView, rows: pl.DataFrame, at: str, files: VersionFiles, say: Say) -> pl.DataFrame:
        """Return the features computed anew from what the version was built from."""
        from feature_store.accepted import accepted_rows
        from feature_store.offline import decide  # compiled code: a second to load

        require_current(view, self.version)
        first, last = instants_of(rows, at)
        accepted, as_of = files.accepted(self.version, say), self.version.as_of
        span = {"oldest": (first or as_of) - view.horizon, "latest": min(last or as_of, as_of)}
        events, labels = accepted_rows(view, accepted, **span)
        say(f"{view.name}: deciding {rows.height:,} rows from {events.height:,} events")
        return decide(view, events, labels, rows, at=at).select(self.features)


def instants_of(rows: pl.DataFrame, at: str) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last decision; None twice where there are no rows."""
    first, last = rows[at].min(), rows[at].max()
    if isinstance(first, datetime) and isinstance(last, datetime):
        return first, last
    return None, None


def require_current(view: FeatureView | TableView, version: SealedVersion) -> None:
    """Refuse a version that was sealed under another definition.

    Raises:
        DefinitionChanged: With the beginnings of both fingerprints.
    """
    if version.fingerprint == view.fingerprint:
        return
    raise DefinitionChanged(
        f"{view.name}: version {version.id[:_SHOWN_DIGITS]} was sealed under definition "
        f"{version.fingerprint[:_SHOWN_DIGITS]}, and today's is {view.fingerprint[:_SHOWN_DIGITS]}; build a version "
        f"(`ledgerline features build {view.name}`), or read that one's sealed rows by naming it: version=…"
    )
