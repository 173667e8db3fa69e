"""Whether a sealed version's features look ahead or tell the outcome: recomputed from its own accepted rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from feature_store.lookahead import Found, Future, Leak, choose_cuts, differences, leaks
from feature_store.scrambling import Outcome
from feature_store.table_view import TableView
from feature_store.telltale import Telltale, telltales
from feature_store.versions.manifest import Manifest
from feature_store.views import View
from ledgerline.audit import Ledger
from ledgerline.core.clock import instant_text
from pipelines.features.outcomes import outcome_of
from pipelines.features.recompute import version_sources, view_of
from pipelines.features.restore import read_features
from pipelines.features.versions import version_of

Progress = Callable[[str], None]

CUTS, WEEKS, ROWS = 3, 8, 200_000
_INSTANT = timedelta(microseconds=1)
_OUTCOME, _KNOWN_AT = "outcome said", "outcome known at"  # no contract's or view's column is called so


@dataclass(frozen=True, slots=True)
class FeatureCheck:
    """What a check of one version came to.

    Attributes:
        view: Name of the view.
        version: Leaf id of the version.
        features: How many were looked at.
        rows: How many rows were compared: the newest ones.
        since: They became available after this instant, UTC.
        cuts: Where the history was cut, UTC, ascending.
        leaks: Every column that leaks, once a cut and way in which it showed.
        strongest: The feature that alone ranks the known outcomes best; None where the view has no outcomes apart, or
            too few of them are known.
        too_good: From which AUC on that is a leak; None where the view has no outcomes apart.
    """

    view: str
    version: str
    features: int
    rows: int
    since: datetime
    cuts: tuple[datetime, ...]
    leaks: tuple[Leak, ...]
    strongest: Telltale | None
    too_good: float | None

    @property
    def passed(self) -> bool:
        """Whether nothing leaks."""
        return not self.leaks

    @property
    def leaking(self) -> tuple[str, ...]:
        """The columns that leak, each once."""
        return tuple(dict.fromkeys(leak.column for leak in self.leaks))

    def __str__(self) -> str:
        """Return the outcome in one line."""
        what = f"{self.view} {self.version[:16]}: {self.features} features of {self.rows:,} rows, {len(self.cuts)} cuts"
        if self.passed:
            return f"{what}: no value looks ahead; {self._told}"
        leaking = self.leaking
        return f"{what}: {len(leaking)} column{'s leak' if len(leaking) > 1 else ' leaks'}: {', '.join(leaking)}"

    def values(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            **{name: value for name, value in asdict(self).items() if name != "strongest"},
            "since": instant_text(self.since),
            "cuts": [instant_text(cut) for cut in self.cuts],
            "leaks": [asdict(leak) | {"cut": instant_text(leak.cut)} for leak in self.leaks],
            "strongest": asdict(self.strongest) if self.strongest else None,
            "passed": self.passed,
        }

    @property
    def _told(self) -> str:
        if self.strongest is None:
            return "too few outcomes are known to rank" if self.too_good else "it has no outcomes apart from its rows"
        best = self.strongest
        return f"alone, {best.feature} ranks outcomes best (AUC {best.auc:.3f}; {self.too_good:g} would be a leak)"


def check(
    ledger: Ledger,
    view_name: str,
    *,
    version: str | None = None,
    cuts: int = CUTS,
    weeks: int | None = None,
    rows: int = ROWS,
    progress: Progress | None = None,
) -> FeatureCheck:
    """Recompute a version with other futures, hold it to its sealed rows, and look for features that tell the outcome.

    The cuts lie within the newest rows; of a view over events only what their windows can see is computed, so that the
    time it takes does not grow with the history.

    Args:
        ledger: The installation.
        view_name: The view.
        version: A version's leaf id or its start, or its tag; None for the newest.
        cuts: How many stand evenly; around the latest rows of each source stand two more.
        weeks: How far back the compared rows reach from the newest; None for :data:`WEEKS` of a view over events, and
            for all of a view over tables, which is computed whole in any case.
        rows: How many there are at most, and how many rows with a known outcome are ranked.
        progress: Told what is going on.

    Raises:
        VersionUnknown: There is no such version.
        OtherDefinition: The version was built from another definition than this code's.
        AcceptedRowsLost: An accepted file was changed or lost, and cannot be made again.
        RemoteDamaged: A sealed file is wrong here, and the remote cannot give it back.
    """
    say = progress or (lambda _: None)
    leaf = version_of(ledger, view_name, version)
    manifest = Manifest.from_bytes(ledger.objects.get(leaf.identity["manifest"]))
    view, outcome = view_of(manifest), outcome_of(manifest.view)
    say(f"reading {len(manifest.inputs)} accepted files of version {leaf.id[:16]}")
    sealed = read_features(ledger, leaf.id)
    if weeks is None and not isinstance(view, TableView):
        weeks = WEEKS
    since = _begin(sealed, weeks=weeks, rows=rows)
    sources = version_sources(ledger, manifest)
    seen = _seen(view, sources, since)
    whole = view.compute(seen)
    newest = sealed.filter(pl.col("available_at") > since).collect()
    say(f"comparing {newest.height:,} sealed rows that became available after {since:%Y-%m-%d %H:%M} UTC")
    again = whole.filter(pl.col("available_at") > since)
    found = differences(view, newest, again, manifest.as_of, Found.SEALED)
    at = choose_cuts([seen[contract.name] for contract in view.sources], count=cuts, since=since)
    found += leaks(
        view,
        view.compute,
        seen,
        cuts=at,
        futures=list(Future) if outcome else [Future.WITHHELD, Future.SCRAMBLED],
        outcome=outcome,
        since=since,
        whole=whole,
        progress=say,
    )
    told = _told(sealed, sources, manifest, outcome, rows) if outcome else []
    found += _telling(told, outcome, manifest.as_of) if outcome else []
    return FeatureCheck(
        view=view.name,
        version=leaf.id,
        features=len(manifest.features),
        rows=newest.height,
        since=since,
        cuts=tuple(at),
        leaks=tuple(found),
        strongest=told[0] if told else None,
        too_good=outcome.too_good if outcome else None,
    )


def _begin(sealed: pl.LazyFrame, *, weeks: int | None, rows: int) -> datetime:
    """Return the instant after which at most ``rows`` rows, of the newest ``weeks``, became available."""
    arrivals = sealed.select("available_at").collect()["available_at"].sort()
    if arrivals.is_empty():
        return datetime.min.replace(tzinfo=UTC)
    first = arrivals[0] - _INSTANT if arrivals.len() <= rows else arrivals[-rows - 1]
    return first if weeks is None else max(first, arrivals[-1] - timedelta(weeks=weeks))


def _seen(view: View, sources: Mapping[str, pl.DataFrame], since: datetime) -> dict[str, pl.DataFrame]:
    """Return what rows decided after ``since`` can see: of events those that a window reaches; of tables everything."""
    if isinstance(view, TableView):
        return dict(sources)
    matters = (pl.col("available_at") > since) | (pl.col("event_time") > since - view.horizon)
    events = sources[view.events.name].filter(matters)
    if view.labels is None:
        return {view.events.name: events}
    labels = sources[view.labels.name].join(events.select(view.event_id), on=view.event_id, how="semi")
    return {view.events.name: events, view.labels.name: labels}


def _told(
    sealed: pl.LazyFrame, sources: Mapping[str, pl.DataFrame], manifest: Manifest, outcome: Outcome, rows: int
) -> list[Telltale]:
    """Return how well each feature alone ranks the outcomes that were known at the version's ``as_of``, best first."""
    said = sources[outcome.contract]
    if outcome.value not in said.columns:  # a view reads only the labels that it measures
        return []
    is_known = pl.all_horizontal(pl.col(outcome.value, *outcome.known).is_not_null())
    known = (
        said.filter(is_known & (outcome.known_at <= manifest.as_of))
        .select(outcome.subject, pl.col(outcome.value).alias(_OUTCOME), outcome.known_at.alias(_KNOWN_AT))
        .sort(_KNOWN_AT, _OUTCOME)
        .unique(outcome.subject, keep="last", maintain_order=True)
    )
    newest = (
        sealed.select(outcome.subject, "available_at", *manifest.features)
        .join(known.lazy(), on=outcome.subject, how="inner")
        .sort("available_at", maintain_order=True)
        .tail(rows)
    )
    return telltales(newest.collect(), manifest.features, _OUTCOME)


def _telling(told: Sequence[Telltale], outcome: Outcome, as_of: datetime) -> Iterator[Leak]:
    for each in told:
        if each.auc >= outcome.too_good:
            said = f"alone, it ranks {outcome.contract}.{outcome.value} with an AUC of {each.auc:.4f}"
            yield Leak(each.feature, as_of, each.rows, said, Found.TELLTALE)
