"""The page itself: one HTML file that opens from the disk, with Plotly within it and nothing fetched."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import Any

from pipelines.monitoring.feature_page.describe import (
    NOTICEABLE_PSI,
    FeatureFacts,
    ViewDescription,
    entities_of,
)
from pipelines.monitoring.feature_page.profile import Bar, Profile, Shape
from pipelines.monitoring.feature_page.template import SCRIPT, STYLE

_DIGITS = 12
_NONE = "–"
_PLOTTED_DIGITS = 6
_LARGEST_WRITTEN_OUT = 1e12
_HEADS = (
    ("Feature", "text"),
    ("Distribution", ""),
    ("PSI", "number"),
    ("Missing", "number"),
    ("Min", "number"),
    ("5 %", "number"),
    ("Median", "number"),
    ("95 %", "number"),
    ("Max", "number"),
    ("Mean", "number"),
    ("Unit", "text"),
)


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell of a table: what is shown, as HTML, and what it is sorted by."""

    shown: str
    order: float | str | None = None


def render(found: ViewDescription) -> str:
    """Return the page as HTML; it needs no network and no other file."""
    from plotly.offline import get_plotlyjs

    view = found.view
    sections = (
        _section("Features", _features_table(found), note=_how_measured(found)),
        _section("One by one", "".join(_feature(number, each, found) for number, each in enumerate(found.features))),
        _section("Where its rows come from", _sources(found)),
        _section("Who uses it", _uses(found)),
        _section("Versions", _versions(found)),
    )
    plots = json.dumps([_plots(each, found) for each in found.features], allow_nan=False)
    plots = plots.replace("<", "\\u003c")  # "</script>" would end the element, and "<!--<script>" hide its end
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(view.name)} {found.leaf.id[:_DIGITS]}</title>",
            f"<style>{STYLE}</style></head><body>",
            f"<header><h1>{escape(view.name)}</h1><p>{escape(view.description)}</p>",
            f"<p class=quiet>{_about(found)}</p></header>",
            f"<main><div class=cards>{''.join(_cards(found))}</div>",
            *sections,
            "</main>",
            f'<script type="application/json" id="plots">{plots}</script>',
            f"<script>{get_plotlyjs()}</script>",
            f"<script>{SCRIPT}</script>",
            "</body></html>",
        )
    )


def _about(found: ViewDescription) -> str:
    view = found.view
    ttl = f"rows older than {_span(view.ttl)} count as missing" if view.ttl else "no TTL"
    return escape(
        f"Owned by {view.owner}. About {', '.join(entities_of(view))}; {ttl}. "
        f"Version {found.leaf.id[:16]}, tag {found.leaf.detail.get('tag', _NONE)}, "
        f"as of {found.manifest.as_of:%Y-%m-%d %H:%M} UTC. Described {found.now:%Y-%m-%d %H:%M} UTC."
    )


def _cards(found: ViewDescription) -> Iterable[str]:
    rows = f"{found.manifest.rows:,}"
    yield _card("Rows", rows, f"{len(found.features)} features in {len(found.manifest.partitions)} files")
    if found.first is not None and found.newest_available is not None:
        days = (found.newest_available - found.first).days
        span = f"{found.first:%Y-%m-%d} to {found.newest_available:%Y-%m-%d}"
        yield _card("Span", f"{days:,} days", span)
    if found.newest_event is not None and found.newest_available is not None:
        of_event, of_arrival = (found.manifest.as_of - at for at in (found.newest_event, found.newest_available))
        detail = f"newest row arrived {_span(of_arrival)} before; {_span(found.now - found.newest_event)} before now"
        yield _card("Age at its as-of", _span(of_event), detail)
    matches = found.definition_matches
    fingerprint = f"fingerprint {found.manifest.fingerprint[:_DIGITS]}"
    today = "" if matches else f"; this code's is {found.view.fingerprint[:_DIGITS]}"
    yield _card("Definition", "as today's" if matches else "another", fingerprint + today, "good" if matches else "bad")
    yield _drift_card(found)
    serving = [use for use in found.uses if use.job]
    jobs = ", ".join(f"{use.family} in {use.job}" for use in serving) or "in force nowhere"
    yield _card("Used by", f"{len(found.uses)} model{'' if len(found.uses) == 1 else 's'}", jobs)


def _drift_card(found: ViewDescription) -> str:
    if found.trained is None:
        return _card("Drift", _NONE, "nothing was trained on this view yet")
    if not found.compared:
        return _card("Drift", _NONE, f"too few rows in the last {found.recent_days} days")
    over, some = len(found.drifted(found.alert_psi)), len(found.drifted(NOTICEABLE_PSI))
    kind = "bad" if over else "warn" if some else "good"
    detail = f"PSI from {found.alert_psi:g} on; {some - over} more from {NOTICEABLE_PSI:g} on"
    return _card("Drifted", f"{over} of {len(found.features)}", detail, kind)


def _how_measured(found: ViewDescription) -> str:
    counted = "Counts, bounds and means are of every row"
    said = f"{counted}; quantiles and distributions of {found.sampled:,}, evenly spread."
    if found.trained is None or not found.compared:
        return said
    use = found.trained
    why = f"in force in {use.job}" if use.job else "the newest that was trained on this view"
    return (
        f"{said} PSI compares the {found.compared:,} rows of the last {found.recent_days} days with version "
        f"{use.feature_version[:_DIGITS]}, which {use.family} model {use.bundle[:_DIGITS]} ({why}) was trained on: "
        f"below {NOTICEABLE_PSI:g} nothing to see, from {found.alert_psi:g} on another population."
    )


def _features_table(found: ViewDescription) -> str:
    return _table(_HEADS, [_row(number, each, found) for number, each in enumerate(found.features)], "features")


def _row(number: int, each: FeatureFacts, found: ViewDescription) -> list[_Cell]:
    profile = each.profile
    exact, share = profile.exact, _null_share(profile)
    low, middle, high = (profile.quantiles.get(place) for place in (0.05, 0.5, 0.95))
    return [
        _Cell(f'<a href="#f{number}">{escape(each.name)}</a>', each.name),
        _Cell(_sparkline(profile.bars)),
        _Cell(_badge(profile.psi, found), profile.psi),
        _Cell(f"{share:.1%}" if share else "0", share),
        *(_Cell(_number(value), value) for value in (exact.low, low, middle, high, exact.high, exact.mean)),
        _Cell(escape(each.unit), each.unit),
    ]


def _feature(number: int, each: FeatureFacts, found: ViewDescription) -> str:
    profile = each.profile
    shown = {Shape.LENGTH: "Lengths of its sequences are shown.", Shape.TEXT: "Its values by frequency are shown."}
    quantiles = " · ".join(f"{place:.0%} {_number(value)}" for place, value in profile.quantiles.items())
    reads = f"Reads {', '.join(each.reads)}." if each.reads else "What it reads is not on record."
    lines = [each.description, f"Unit: {each.unit}." if each.unit else "", reads, shown.get(profile.shape, "")]
    empty = "" if profile.bars else "<p>No row has a value.</p>"
    return (
        f'<article id="f{number}"><h3>{escape(each.name)} {_badge(profile.psi, found)}</h3>'
        f"<p>{escape(' '.join(filter(None, lines)))}</p>"
        f"<p class=quiet>{profile.exact.nulls:,} of {profile.exact.rows:,} rows without a value. {quantiles}</p>{empty}"
        f'<div class="plots" data-number="{number}"><div></div><div></div></div></article>'
    )


def _plots(each: FeatureFacts, found: ViewDescription) -> dict[str, Any]:
    profile = each.profile
    is_trained = found.trained is not None and found.trained.feature_version == found.leaf.id
    return {
        "text": profile.shape is Shape.TEXT,
        "labels": [bar.label for bar in profile.bars],
        "at": [_rounded(bar.at) for bar in profile.bars],
        "now": [_rounded(bar.share) for bar in profile.bars],
        "newest": [_rounded(bar.newest) for bar in profile.bars if bar.newest is not None],
        # The version itself is drawn already where the model was trained on it.
        "trained": [_rounded(bar.trained) for bar in profile.bars if bar.trained is not None and not is_trained],
        "weeks": [week.begins.isoformat() for week in profile.weeks],
        **{
            name: [_rounded(getattr(week, name)) for week in profile.weeks]
            for name in ("low", "median", "high", "nulls")
        },
    }


def _sources(found: ViewDescription) -> str:
    heads = (("Contract", "text"), ("Version", "number"), ("Accepted files", "number"), ("Rows are", "text"))
    rows = [
        [
            _Cell(f'<span title="{each.fingerprint}">{escape(each.name)}</span>', each.name),
            _Cell(str(each.version), each.version),
            _Cell(f"{each.files:,}", each.files),
            _Cell(escape(each.timeliness), each.timeliness),
        ]
        for each in found.sources
    ]
    return _table(heads, rows)


def _uses(found: ViewDescription) -> str:
    if not found.uses:
        return "<p>No model was trained on this view yet.</p>"
    heads = tuple(
        (name, "text") for name in ("Model", "In force in", "Bundle", "Trained on", "Training run", "Deployments")
    )
    rows = [
        [
            _Cell(escape(use.family if use.model_version is None else f"{use.family} {use.model_version}"), use.family),
            _Cell(f"<b class=good>{escape(use.job)}</b>" if use.job else _NONE, use.job or ""),
            _id(use.bundle),
            _Cell(f'<a href="#v{use.feature_version}"><code>{use.feature_version[:_DIGITS]}</code></a>'),
            _id(use.training_run),
            _Cell(" ".join(_id(each).shown for each in use.deployments) or _NONE, str(len(use.deployments))),
        ]
        for use in found.uses
    ]
    return _table(heads, rows) + "<p class=quiet><code>ledgerline trace ID</code> walks back from any of them.</p>"


def _versions(found: ViewDescription) -> str:
    heads = (
        ("Version", "text"),
        ("Built at, UTC", "text"),
        ("Rows", "number"),
        ("Files", "number"),
        ("Fingerprint", "text"),
        ("Models", "number"),
    )
    trained = [use.feature_version for use in found.uses]
    rows = []
    for leaf in found.versions:
        this, today = leaf.id == found.leaf.id, leaf.identity["fingerprint"] == found.view.fingerprint
        mark = " <b>this page</b>" if this else ""
        rows.append(
            [
                _Cell(f'<code id="v{leaf.id}" title="{leaf.id}">{leaf.id[:_DIGITS]}</code>{mark}', leaf.id),
                _Cell(escape(str(leaf.detail.get("built_at", _NONE))[:19].replace("T", " "))),
                _count(leaf.detail.get("rows")),
                _count(leaf.detail.get("partitions")),
                _Cell(f"<code>{leaf.identity['fingerprint'][:_DIGITS]}</code>{' as today' if today else ''}"),
                _Cell(str(trained.count(leaf.id)), trained.count(leaf.id)),
            ]
        )
    return _table(heads, rows)


def _section(title: str, body: str, *, note: str = "") -> str:
    said = f"<p class=quiet>{escape(note)}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _card(title: str, value: str, detail: str, kind: str = "") -> str:
    return (
        f'<div class="card {kind}"><span>{escape(title)}</span><strong>{escape(value)}</strong>'
        f"<small>{escape(detail)}</small></div>"
    )


def _table(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[_Cell]], name: str = "") -> str:
    top = "".join(f'<th data-sort="{kind}" class="{kind}">{escape(head)}</th>' for head, kind in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{kind}" data-order="{"" if cell.order is None else escape(str(cell.order))}">{cell.shown}</td>'
            for cell, (_, kind) in zip(row, heads, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    named = f' id="{name}"' if name else ""
    return f"<div class=wide><table{named}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _sparkline(bars: Sequence[Bar]) -> str:
    if not bars:
        return _NONE
    width, height = 120.0, 26.0
    step, most = width / len(bars), max(bar.share for bar in bars) or 1.0
    drawn = "".join(
        f'<rect x="{place * step:.1f}" y="{height - bar.share / most * height:.1f}" width="{max(step - 0.6, 0.6):.1f}" '
        f'height="{bar.share / most * height:.1f}"/>'
        for place, bar in enumerate(bars)
    )
    return (
        f'<svg class="spark" width="{width:g}" height="{height:g}" role="img" aria-label="distribution">{drawn}</svg>'
    )


def _badge(psi: float | None, found: ViewDescription) -> str:
    if psi is None:
        return f'<span class="badge">{_NONE}</span>'
    kind = "bad" if psi >= found.alert_psi else "warn" if psi >= NOTICEABLE_PSI else "good"
    return f'<span class="badge {kind}">{psi:.3f}</span>'


def _null_share(profile: Profile) -> float:
    return profile.exact.nulls / profile.exact.rows if profile.exact.rows else 0.0


def _id(full: str) -> _Cell:
    return _Cell(f'<code title="{escape(full)}">{escape(full[:_DIGITS])}</code>', full)


def _count(value: Any) -> _Cell:
    return _Cell(f"{value:,}", value) if isinstance(value, int) else _Cell(_NONE)


def _number(value: float | None) -> str:
    if value is None:
        return _NONE
    value = float(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < _LARGEST_WRITTEN_OUT else f"{value:.4g}"
    return f"{value:.0f}" if value.is_integer() else f"{value:.4g}"


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_PLOTTED_DIGITS}g}")


def _span(duration: timedelta) -> str:
    """Return a duration in its two largest units, e.g. ``3 d 4 h``."""
    seconds = int(abs(duration).total_seconds())
    sign = "-" if duration < timedelta(0) else ""
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{sign}{days:,} d" + (f" {hours} h" if hours and days < 100 else "")
    if hours:
        return f"{sign}{hours} h {minutes} min"
    return f"{sign}{minutes} min {seconds % 60} s" if minutes else f"{sign}{seconds} s"
