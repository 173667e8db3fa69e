"""Everything that the page about a feature version says, as values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_store.versions.manifest import Manifest
from feature_store.view import FeatureView
from feature_store.views import View, view_named
from ledgerline.audit import Ledger, RecordedLeaf
from pipelines.features import read_features, versions
from pipelines.features.versions import version_of
from pipelines.monitoring.feature_page.profile import Profile, even_sample, exact_figures, profile
from pipelines.monitoring.feature_page.usage import Use, trained_on, uses
from pipelines.monitoring.policy import DriftLimits, monitoring_policy
from pipelines.training.inputs import feature_manifest

Progress = Callable[[str], None]
NOTICEABLE_PSI = 0.1
"""Below it there is nothing to see: Siddiqi, Credit Risk Scorecards (2006). From when on it is an alert, the policy of
monitoring says: 0.25 there."""
_SAMPLED = 100_000
_RECENT_DAYS = 28  # of a view on which nothing was trained yet


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """One source of a view.

    Attributes:
        name: Its contract.
        version: The contract's version.
        fingerprint: The contract's fingerprint.
        timeliness: Whether its rows can be known before what they are about.
        files: Accepted files that the version was built from.
    """

    name: str
    version: int
    fingerprint: str
    timeliness: str
    files: int


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """One feature of a version.

    Attributes:
        name: Its name.
        description: What it is.
        unit: What it counts.
        reads: The columns that it reads, as ``contract.column``.
        profile: How its values lie.
    """

    name: str
    description: str
    unit: str
    reads: tuple[str, ...]
    profile: Profile


@dataclass(frozen=True, slots=True)
class ViewDescription:
    """What the page says.

    Attributes:
        view: The declaration as this code has it.
        leaf: The version.
        manifest: Its manifest.
        definition_matches: Whether this code defines the view as the version was built.
        sources: Where its rows come from.
        features: Every feature, the most drifted first.
        first: When its first row became available, UTC; None without rows.
        newest_event: When its newest row is about, UTC.
        newest_available: When its newest row became available, UTC.
        sampled: How many rows the distributions are drawn from.
        compared: How many newest rows the drift is measured of; 0 where it is not.
        recent_days: How far they reach back from the version's ``as_of``.
        alert_psi: From which index on a drift is an alert.
        trained: The model with whose training version it is compared; None where nothing was trained on the view.
        uses: Every model that was trained on the view.
        versions: Every version of the view, newest first.
        now: The moment of the description, UTC.
    """

    view: View
    leaf: RecordedLeaf
    manifest: Manifest
    definition_matches: bool
    sources: tuple[SourceFacts, ...]
    features: tuple[FeatureFacts, ...]
    first: datetime | None
    newest_event: datetime | None
    newest_available: datetime | None
    sampled: int
    compared: int
    recent_days: int
    alert_psi: float
    trained: Use | None
    uses: tuple[Use, ...]
    versions: tuple[RecordedLeaf, ...]
    now: datetime

    def drifted(self, from_psi: float) -> list[FeatureFacts]:
        """Return the features whose index is at least so much, the greatest first."""
        return [each for each in self.features if each.profile.psi is not None and each.profile.psi >= from_psi]


def describe(
    ledger: Ledger, view_name: str, *, version: str | None = None, progress: Progress | None = None
) -> ViewDescription:
    """Describe a version of a view.

    Counts, bounds and means are of every row; distributions of an even sample. At no time are more rows held in memory.

    Args:
        ledger: The installation.
        view_name: The view.
        version: A version's leaf id or its start, or its tag; None for the newest.
        progress: Told what is going on.

    Raises:
        UnknownView: No view is called so.
        VersionUnknown: There is no such version.
        MonitoringPolicyInvalid: What drift is measured by cannot be read.
        RemoteDamaged: A sealed file is wrong here, and the remote cannot give it back.
    """
    say = progress or (lambda _: None)
    view, leaf = view_named(view_name), version_of(ledger, view_name, version)
    manifest, limits = feature_manifest(ledger, leaf), monitoring_policy(ledger.settings.project).drift
    rows = read_features(ledger, leaf.id)
    say(f"counting {manifest.rows:,} rows in {len(manifest.partitions)} files")
    exact = exact_figures(rows, manifest.features)
    sample = even_sample(rows.select("available_at", *manifest.features), _SAMPLED)
    every = versions(ledger, view_name)
    users = uses(ledger, every)
    trained = trained_on(users)
    recent_days = limits.recent_days.get(trained.family, _RECENT_DAYS) if trained else _RECENT_DAYS
    then, now = _compared(ledger, rows, manifest, trained, limits, recent_days)
    say(f"describing {len(manifest.features)} features by {sample.height:,} rows, evenly spread")
    facts = [
        _feature(view, leaf, name, profile(name, exact[name], sample, then, now, bins=limits.bins))
        for name in manifest.features
    ]
    order = {name: place for place, name in enumerate(manifest.features)}
    span = rows.select(
        first=pl.col("available_at").min(), event=pl.col("event_time").max(), available=pl.col("available_at").max()
    )
    first, newest_event, newest_available = span.collect(engine="streaming").row(0)
    return ViewDescription(
        view=view,
        leaf=leaf,
        manifest=manifest,
        definition_matches=view.fingerprint == manifest.fingerprint,
        sources=tuple(_sources(view, manifest)),
        features=tuple(sorted(facts, key=lambda each: (-(each.profile.psi or 0.0), order[each.name]))),
        first=first,
        newest_event=newest_event,
        newest_available=newest_available,
        sampled=sample.height,
        compared=0 if now is None else now.height,
        recent_days=recent_days,
        alert_psi=limits.feature_psi,
        trained=trained,
        uses=tuple(users),
        versions=tuple(reversed(every)),
        now=ledger.clock.now(),
    )


def _compared(
    ledger: Ledger,
    rows: pl.LazyFrame,
    manifest: Manifest,
    trained: Use | None,
    limits: DriftLimits,
    recent_days: int,
) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """Return rows of the training version and the newest ones of this version; None for what has too few."""
    if trained is None:
        return None, None
    then = read_features(ledger, trained.feature_version)
    held = [name for name in manifest.features if name in then.collect_schema()]
    before = even_sample(then.select(held), limits.most_rows)
    since = manifest.as_of - timedelta(days=recent_days)
    now = even_sample(rows.filter(pl.col("available_at") > since).select(manifest.features), limits.most_rows)
    few = min(before.height, now.height) < limits.least_rows
    return before, None if few else now


def _feature(view: View, leaf: RecordedLeaf, name: str, found: Profile) -> FeatureFacts:
    declared = {each.name: each for each in view.features}.get(name)
    reads: Mapping[str, Sequence[str]] = leaf.detail.get("columns", {})
    return FeatureFacts(
        name=name,
        description=declared.description if declared else "Named by the data of an open view.",
        unit=declared.unit if declared else "",
        reads=tuple(reads.get(name, ())),
        profile=found,
    )


def _sources(view: View, manifest: Manifest) -> list[SourceFacts]:
    files = [file.dataset for file in manifest.inputs]
    return [
        SourceFacts(
            contract.name, contract.version, contract.fingerprint, contract.timeliness.value, files.count(contract.name)
        )
        for contract in view.sources
    ]


def entities_of(view: View) -> tuple[str, ...]:
    """Return the columns that a view's features are about."""
    return view.entities if isinstance(view, FeatureView) else view.looked_up_by
