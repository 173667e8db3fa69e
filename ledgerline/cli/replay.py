"""The verb that decides again: replay."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ledgerline.cli.terminal import ERROR, OUT, JsonOption, open_ledger
from ledgerline.core.errors import LedgerlineError

if TYPE_CHECKING:
    from ledgerline.audit import Ledger
    from ledgerline.decisions.record import RecordedDecision
    from ledgerline.decisions.replay import Replay

_FAMILIES = ("fraud", "credit", "price")
_SHOWN_DIGITS = 12
_SHOWN_DIFFERENCES = 20


def replay(
    decisions: Annotated[
        list[str] | None, typer.Argument(help="Decisions' ids, or the starts of them.", show_default=False)
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="So many decisions instead, chosen by chance.", show_default=False)
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="With --sample: of this family alone: fraud, credit or price.")
    ] = None,
    seed: Annotated[int, typer.Option(help="With --sample: another seed chooses others.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Decide again, from what was known then, and compare with what was answered.

    The features are made again from the data behind the model, the decisions before this one and the request; the model
    is loaded by its digest; and what it decides, reasons included, must be the recorded bytes. Where the features
    cannot be made again it says why, and decides from the recorded ones. Exit status 1 when anything differs.

    Example: `ledgerline audit replay c0ffee42`, or `ledgerline audit replay --sample 1000`
    """
    from ledgerline.decisions.replay import replay_all
    from ledgerline.services.rebuilding import rebuilds

    if bool(decisions) == (sample is not None):
        raise LedgerlineError("name the decisions, or say --sample and how many")
    if family is not None and family not in _FAMILIES:
        raise LedgerlineError(f"no decisions are made by {family}; there are: {', '.join(_FAMILIES)}")
    ledger = open_ledger()
    chosen = _chosen(ledger, decisions, sample, (family,) if family else _FAMILIES, seed)
    found = list(replay_all(ledger, _shown(chosen, sample or len(decisions or ())), rebuilds(ledger)))
    if not found:
        raise LedgerlineError("there are no such decisions")
    if sample is None and len(found) == 1:
        _show_one(found[0], as_json=as_json)
    else:
        _show_many(found, as_json=as_json)
    if not all(each.identical for each in found):
        raise typer.Exit(1)


def _chosen(
    ledger: "Ledger", names: list[str] | None, sample: int | None, families: tuple[str, ...], seed: int
) -> "Iterable[RecordedDecision]":
    from ledgerline.decisions.record import get_decision, sampled_decisions

    if sample is not None:
        return sampled_decisions(ledger, sample, families=families, seed=seed)
    return sorted((get_decision(ledger, name) for name in names or ()), key=lambda recorded: recorded.sequence)


def _shown(decisions: "Iterable[RecordedDecision]", count: int) -> "Iterator[RecordedDecision]":
    """Draw how far it is, on a terminal only."""
    if not ERROR.is_terminal or count == 1:
        yield from decisions
        return
    from rich.progress import track

    yield from track(decisions, description="decided again", total=count, console=ERROR)


def _show_one(found: "Replay", *, as_json: bool) -> None:
    if as_json:
        OUT.print_json(json.dumps(asdict(found)))
        return
    name = f"decision {found.decision_id[:_SHOWN_DIGITS]}"
    if not found.identical:
        OUT.print(f"[red]{name}: {escape(str(found.difference))}[/red]")
        return
    inputs = "from what was known then" if found.rebuilt else "from its recorded features"
    OUT.print(f"[green]{name}: decided again {inputs}, the same[/green]")
    if found.not_rebuilt:
        OUT.print(f"The features could not be made again: {escape(found.not_rebuilt)}")
    if found.erased:
        OUT.print(f"[bold]erased[/bold]: whom it was about, at {found.erased}; the request can no longer be read")


def _show_many(found: "list[Replay]", *, as_json: bool) -> None:
    different = [each for each in found if not each.identical]
    recorded = [each for each in found if not each.rebuilt]
    if as_json:
        summary = {
            "decisions": len(found),
            "identical": len(found) - len(different),
            "rebuilt": len(found) - len(recorded),
            "erased": sum(each.erased is not None for each in found),
            "different": [asdict(each) for each in different],
        }
        OUT.print_json(json.dumps(summary))
        return
    for each in different[:_SHOWN_DIFFERENCES]:
        OUT.print(f"[red]decision {each.decision_id[:_SHOWN_DIGITS]}: {escape(str(each.difference))}[/red]")
    if len(different) > _SHOWN_DIFFERENCES:
        OUT.print(f"[red]... and {len(different) - _SHOWN_DIFFERENCES} more (--json names them)[/red]")
    colour = "red" if different else "green"
    OUT.print(
        f"[{colour}]{len(found) - len(different):,} of {len(found):,} decisions decided again the same[/{colour}], "
        f"{len(found) - len(recorded):,} from features made again, {len(recorded):,} from recorded ones."
    )
    for why in sorted({each.not_rebuilt for each in recorded if each.not_rebuilt})[:_SHOWN_DIFFERENCES]:
        OUT.print(f"Not made again: {escape(why)}")
