"""Features one decision at a time from sealed versions, by the executors that live jobs answer with."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from feature_store.accepted import accepted_rows
from feature_store.definition import FeatureValue
from feature_store.display import html_table, text_table
from feature_store.errors import NoLongerKept, SourceInvalid
from feature_store.names import hint
from feature_store.online import OnlineFeatures, OnlineRows
from feature_store.online_rows import checked_key
from feature_store.point_in_time import FeatureSource, point_in_time_join
from feature_store.state import DISORDER, recent_events
from feature_store.table_view import TableView
from feature_store.training_set import KnownFeatures
from feature_store.versions.files import VersionFiles
from feature_store.versions.sealed import SealedVersion
from feature_store.view import FeatureView
from ledgerline.core.clock import instant_text
from ledgerline.core.frames import INSTANT
from ledgerline.core.storage import ObjectMissing, ObjectStore

Say = Callable[[str], None]
Answer = Callable[[datetime, Mapping[str, Any]], Mapping[str, Any]]

_SHOWN_DIGITS = 16
_UNREACHABLE = (ObjectMissing, OSError, ImportError)  # the last: no driver for the store's protocol is installed


class OnlineVector(Mapping[str, FeatureValue | str]):
    """The features of one decision by name, in order; it prints as a table.

    Args:
        values: The features.
        at: When the decision is made.
        entities: What it is about.
    """

    __slots__ = ("_values", "at", "entities")

    def __init__(self, values: Mapping[str, Any], at: datetime, entities: Mapping[str, Any]) -> None:
        self._values = dict(values)
        self.at = at
        self.entities = dict(entities)

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise KeyError(f"no feature is called {name!r}; {hint(name, self._values)}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"{self._about}\n{text_table(('feature', 'value'), self._rows)}"

    def _repr_html_(self) -> str:
        return html_table(("feature", "value"), self._rows, caption=self._about)

    @property
    def _about(self) -> str:
        named = ", ".join(f"{name}={value}" for name, value in self.entities.items())
        return f"{named}, at {instant_text(self.at)}"

    @property
    def _rows(self) -> list[tuple[str, str]]:
        return [(name, _text(value)) for name, value in self._values.items()]


@dataclass(frozen=True, slots=True)
class _Part:
    """What one view answers with: which of its features, for which entities, and how."""

    known: KnownFeatures
    entities: tuple[str, ...]
    answer: Answer


class OnlineReader:
    """Answers decisions about entities, from what sealed versions knew; nothing is observed beyond them.

    Made by :meth:`FeatureStore.online() <feature_store.store.FeatureStore.online>`.
    """

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = tuple(parts)

    @classmethod
    def starting_from(
        cls, asked: Sequence[KnownFeatures], files: VersionFiles, objects_url: str | None, say: Say
    ) -> "OnlineReader":
        """Return a reader of some versions' features.

        A view over events goes on from the state that its version kept in the object store; where that cannot be
        reached, from the accepted rows that the version was built from. A view over tables answers with its sealed
        rows.

        Args:
            asked: The features, of versions of today's definition.
            files: Where the versions' files are.
            objects_url: The object store; None for none.
            say: Told what is going on.

        Raises:
            ObjectCorrupt: The kept state is there and was changed.
            RemoteDamaged: A file is wrong here, and the DVC remote cannot give it back.
        """
        return cls([_part(known, files, objects_url, say) for known in asked])

    @property
    def entities(self) -> tuple[str, ...]:
        """What a decision names, besides its instant."""
        return tuple(dict.fromkeys(name for part in self._parts for name in part.entities))

    @property
    def versions(self) -> tuple[SealedVersion, ...]:
        """The versions that answer."""
        return tuple(part.known.version for part in self._parts)

    def get(self, *, at: datetime, **entities: str | None) -> OnlineVector:
        """Return the features of one decision.

        Args:
            at: When it is made: an instant with a time zone, no earlier than the versions' ``as_of``.
            **entities: What it is about: a value for each of :attr:`entities`. None, or one that nobody has seen, has
                no past.

        Raises:
            SourceInvalid: An entity is missing, unknown to the views or of another type, or the instant has no time
                zone.
            NoLongerKept: The instant is earlier than what a version is as of; ``training_set`` answers the past.
        """
        self._check(at, entities)
        values: dict[str, Any] = {}
        for part in self._parts:
            found = part.answer(at, {name: entities[name] for name in part.entities})
            values |= {name: found[name] for name in part.known.features}
        return OnlineVector(values, at, entities)

    def __repr__(self) -> str:
        return f"OnlineReader of {', '.join(repr(version) for version in self.versions)}, by {', '.join(self.entities)}"

    def _check(self, at: datetime, entities: Mapping[str, Any]) -> None:
        if at.tzinfo is None:
            raise SourceInvalid(f"at is {at!r}, which has no time zone; pass e.g. datetime(…, tzinfo=UTC)")
        for name in entities:
            if name not in self.entities:
                raise SourceInvalid(f"no decision names {name!r}; {hint(name, self.entities)}")
        if missing := [name for name in self.entities if name not in entities]:
            raise SourceInvalid(f"a decision names {', '.join(self.entities)}; {', '.join(missing)} is missing")
        for version in self.versions:
            if at < version.as_of:
                raise NoLongerKept(
                    f"{instant_text(at)} is before what {version.view} {version.id[:_SHOWN_DIGITS]} is as of "
                    f"({instant_text(version.as_of)}); of the past training_set() tells what was known"
                )


def _part(known: KnownFeatures, files: VersionFiles, objects_url: str | None, say: Say) -> _Part:
    view = known.view
    if isinstance(view, FeatureView):
        online = OnlineFeatures(view)
        say(f"{view.name}: taking up what recent decisions saw")
        online.bootstrap(_state(view, known.version, files, objects_url, say), as_of=known.version.as_of)
        return _Part(known, view.entities, lambda at, of: online.get(at=at, **of))
    say(f"{view.name}: reading the newest rows")
    rows = _newest_rows(view, known, files, say)
    if view.is_open:
        return _Part(known, view.looked_up_by, _looked_up(view, known.features, rows))
    newest = OnlineRows(view)
    newest.write(rows)
    return _Part(known, view.looked_up_by, lambda at, of: newest.get(at=at, **of))


def _state(
    view: FeatureView, version: SealedVersion, files: VersionFiles, objects_url: str | None, say: Say
) -> pl.DataFrame:
    """Return the events and labels that decisions after a version's ``as_of`` can see."""
    kept = version.manifest.online_state
    if objects_url and kept:
        try:
            return pl.read_parquet(io.BytesIO(ObjectStore(objects_url).get(kept)))
        except _UNREACHABLE as unreachable:
            say(f"{view.name}: {unreachable}; starting from accepted rows")
    oldest = version.as_of - view.horizon - DISORDER
    accepted = files.accepted(version, say)
    events, labels = accepted_rows(view, accepted, oldest=oldest, latest=version.as_of)
    return recent_events(view, events, pl.DataFrame() if labels is None else labels, version.as_of)


def _newest_rows(view: TableView, known: KnownFeatures, files: VersionFiles, say: Say) -> pl.DataFrame:
    """Return the sealed rows that decisions after the version's ``as_of`` can still read, the last of each key."""
    rows = pl.scan_parquet(files.partitions(known.version, say), glob=False)
    if view.ttl is not None:
        rows = rows.filter(pl.col("event_time") >= known.version.as_of - view.ttl)
    # Sorting keeps the stored order of rows alike in both instants, of which the last counts.
    newest = rows.sort("event_time", "available_at", maintain_order=True)
    return newest.unique(view.looked_up_by, keep="last", maintain_order=True).collect()


def _looked_up(view: TableView, features: tuple[str, ...], rows: pl.DataFrame) -> Answer:
    """Return how an open view answers: its features are named by the data, and so no store has a place for them."""
    source = FeatureSource(view.name, rows, view.looked_up_by, features, view.ttl)
    keys = {name: rows.schema[name] for name in view.looked_up_by}
    types = {name: (kind,) for name, kind in keys.items()}

    def answer(at: datetime, of: Mapping[str, Any]) -> Mapping[str, Any]:
        checked_key(view, types, of)
        decision = pl.DataFrame(
            {**{name: [of[name]] for name in keys}, "decided at": [at]}, {**keys, "decided at": INSTANT}
        )
        joined = point_in_time_join(decision, [source], decided_at="decided at", prefix=True)
        return {name: joined[f"{view.name}__{name}"][0] for name in features}

    return answer


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(_text(each) for each in value)}]"
    return str(value)
