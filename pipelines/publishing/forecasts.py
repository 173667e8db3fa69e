"""Publish the forecasts of every series by the model in force: files for planners, plots for everybody, a leaf."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import sha256_file
from ledgerline.core.lock import exclusive
from ledgerline.core.storage import write_atomically
from ledgerline.decisions.admission import Admitted, admit
from ledgerline.decisions.deployment import Deployment, current
from pipelines.features import FeatureVersion, versions
from pipelines.publishing.forecast_files import CSV, PAGE, PARQUET, PLOT, NothingToPublish, forecast_files

Progress = Callable[[str], None]

FAMILY = "forecast"


@dataclass(frozen=True, slots=True)
class Published:
    """Published forecasts on record.

    Attributes:
        id: Their leaf.
        folder: Where the files lie.
        csv, parquet: One row a series and month ahead.
        plot: A picture of some series.
        page: The same to be explored by pointing, one self-contained HTML file.
        rows: How many rows the tables have.
        reused: Whether the same had been published before, and nothing was computed.
    """

    id: str
    folder: Path
    csv: Path
    parquet: Path
    plot: Path
    page: Path
    rows: int
    reused: bool


def publish_forecast(ledger: Ledger, progress: Progress | None = None) -> Published:
    """Forecast every series from the newest feature version by the model in force, and publish the result once.

    The bundle passes the checks of a live job first. Killed at any point and called again, or called twice at once, it
    ends in the same files and one leaf.

    Args:
        ledger: The installation.
        progress: Told what is being done.

    Raises:
        NothingToPublish: No model is in force, or there are no series of its features.
        ApprovalRefused: The model's approvals no longer hold.
        BundleRefused: Its bytes or features are not right.
    """
    say = progress or (lambda _: None)
    with exclusive(
        ledger.settings.home / "locks" / "publish-forecast.lock", waiting=lambda: say("waiting for another")
    ):
        deployment = current(ledger, FAMILY)
        if deployment is None:
            raise NothingToPublish(
                f"no forecasting model is in force in {ledger.settings.profile}; train, approve and deploy one"
            )
        admitted = admit(ledger, deployment.bundle, environment=ledger.settings.profile.value, at=ledger.clock.now())
        version = _newest_version(ledger, admitted)
        made_of = {"family": FAMILY, "bundle": admitted.bundle.digest, "feature_version": version.id}
        if (known := ledger.log.latest(Kind.FORECAST, **made_of)) is not None:
            say(f"published before by {admitted.name}: {known.identity['rows']:,} rows")
            return _on_disk(ledger, known, reused=True)
        say(f"forecasting by {admitted.name}")
        return _on_disk(ledger, _record(ledger, deployment, admitted, made_of), reused=False)


def last_published(ledger: Ledger) -> Published | None:
    """Return what was published last, its files brought back from the object store where they are gone, or None."""
    newest = ledger.log.latest(Kind.FORECAST)
    return None if newest is None else _on_disk(ledger, newest, reused=True)


def _newest_version(ledger: Ledger, admitted: Admitted) -> FeatureVersion:
    built = versions(ledger, admitted.view.name)
    if not built:
        raise NothingToPublish(f"no feature version of {admitted.view.name} is recorded; build one first")
    return built[-1]


def _record(ledger: Ledger, deployment: Deployment, admitted: Admitted, made_of: Mapping[str, str]) -> RecordedLeaf:
    made = forecast_files(ledger, admitted, made_of["feature_version"])
    stored = {name: ledger.objects.put(content) for name, content in made.files.items()}
    identity = {
        **made_of,
        "series": made.series,
        "rows": made.rows,
        "csv": stored[CSV],
        "parquet": stored[PARQUET],
    }
    # Pictures are no figures: another version of a drawing library may draw the same forecasts with other bytes.
    detail = {
        "plot": stored[PLOT],
        "page": stored[PAGE],
        "model": admitted.name,
        "published_at": instant_text(ledger.clock.now()),
        "by": ledger.settings.actor,
    }
    parents = [Parent(deployment.id, "deployment"), Parent(made_of["feature_version"], "features")]
    return ledger.log.get(ledger.log.append(Leaf(Kind.FORECAST, identity, detail), parents))


def _on_disk(ledger: Ledger, leaf: RecordedLeaf, *, reused: bool) -> Published:
    """Lay the files out under the installation's home; what is there already and right stays."""
    folder = ledger.settings.home / "forecasts" / leaf.id[:16]
    recorded: Mapping[str, Any] = {**leaf.identity, **leaf.detail}
    names = {CSV: "csv", PARQUET: "parquet", PLOT: "plot", PAGE: "page"}
    for name, field in names.items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != recorded[field]:
            write_atomically(path, ledger.objects.get(recorded[field]))
    return Published(
        id=leaf.id,
        folder=folder,
        csv=folder / CSV,
        parquet=folder / PARQUET,
        plot=folder / PLOT,
        page=folder / PAGE,
        rows=int(leaf.identity["rows"]),
        reused=reused,
    )
