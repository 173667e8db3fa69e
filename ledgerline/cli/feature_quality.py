"""Verbs that look into a feature version: check it for leaks, describe it on a page."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ledgerline.cli.data import ViewArgument, features
from ledgerline.cli.terminal import ERROR, OUT, JsonOption, open_ledger, progress

if TYPE_CHECKING:
    from feature_store.lookahead import Leak
    from pipelines.features import FeatureCheck
    from pipelines.monitoring.feature_page import ViewDescription

_MOST_NAMED = 5
_FOUND = {
    "withheld": "differs without later rows",
    "scrambled": "differs with later rows scrambled",
    "outcomes_scrambled": "differs with unknown outcomes scrambled",
    "sealed": "the sealed value is not what its rows give",
    "telltale": "tells the outcome",
}
VersionOption = Annotated[
    str | None,
    typer.Option(help="A version that `features versions` shows. Without it: the newest.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add this file's verbs to `ledgerline features`."""
    features.command("check")(features_check)
    features.command("describe")(features_describe)


def features_check(
    view: ViewArgument = "card_spending",
    version: VersionOption = None,
    cuts: Annotated[int, typer.Option(min=1, help="Instants at which the history is cut, evenly spread.")] = 3,
    weeks: Annotated[
        int | None,
        typer.Option(min=1, help="Compare rows of so many newest weeks. Without it: 8 of events, all of tables."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Compare at most so many newest rows.")] = 200_000,
    as_json: JsonOption = False,
) -> None:
    """Compute a version again on histories that are cut short or have another future, and report what moved.

    Every value before a cut must come out to the last bit, and as it was sealed. The cuts are spread evenly; two more
    stand just before and after the latest late row of each source. Where outcomes are known (fraud, default), those not
    known at the cut are changed as well, and no feature alone may rank the known ones as only the outcome could.

    Exit status 1 if anything leaks. Example: `ledgerline features check card_spending --cuts 5`
    """
    from pipelines.features import check

    def say(message: str) -> None:
        ERROR.print(f"[dim]{view}[/dim] {escape(message)}")

    found = check(open_ledger(), view, version=version, cuts=cuts, weeks=weeks, rows=rows, progress=say)
    if as_json:
        OUT.print_json(json.dumps(found.values()))
    else:
        _show(found)
    if not found.passed:
        raise typer.Exit(1)


def _show(found: "FeatureCheck") -> None:
    if found.leaks:
        table = Table("feature", "what it does", "at cuts", "worst cut, UTC", "rows", "first of them", title="Leaks")
        alike: dict[tuple[str, str], list[Leak]] = {}
        for leak in found.leaks:
            alike.setdefault((leak.column, leak.found), []).append(leak)
        for (column, how), leaks in alike.items():
            worst = max(leaks, key=lambda leak: leak.rows)
            at = f"{worst.cut:%Y-%m-%d %H:%M:%S.%f}".removesuffix(".000000")
            table.add_row(escape(column), _FOUND[how], str(len(leaks)), at, f"{worst.rows:,}", escape(worst.example))
        OUT.print(table)
    OUT.print(f"[{'green' if found.passed else 'red'}]{escape(str(found))}[/]")


def features_describe(
    view: ViewArgument = "card_spending",
    version: VersionOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the page. Without it: below the home.", show_default=False)
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write one page about a version: its features, how their values lie and have drifted, and who uses them.

    Drift is measured against the version that the model in force was trained on, else the newest model. The page holds
    everything it needs: it opens from the disk, without a network. Features that drifted stand first.

    Example: `ledgerline features describe card_spending --out page.html --open`
    """
    import webbrowser

    from ledgerline.core.storage import write_atomically
    from pipelines.monitoring.feature_page import describe, render

    ledger = open_ledger()
    found = describe(ledger, view, version=version, progress=progress(view))
    path = out or ledger.settings.home / "reports" / f"{view}-{found.leaf.id[:16]}.html"
    write_atomically(path, render(found).encode())
    OUT.print(
        f"{view} {found.leaf.id[:16]}: {len(found.features)} features of {found.manifest.rows:,} rows{_drifted(found)}"
    )
    OUT.print(f"Page: {path}")
    if open_page:
        webbrowser.open(path.resolve().as_uri())


def _drifted(found: "ViewDescription") -> str:
    over = [each.name for each in found.drifted(found.alert_psi)]
    if not over:
        return "; none has drifted" if found.compared else "; nothing to compare them with"
    more = f" and {len(over) - _MOST_NAMED} more" if len(over) > _MOST_NAMED else ""
    return f"; {len(over)} drifted: {', '.join(over[:_MOST_NAMED])}{more}"
