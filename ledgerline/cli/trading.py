"""Verbs about the trading job: what it holds and did, halt it, let it go on, and let the sandbox's market move."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ledgerline.audit import Ledger
from ledgerline.cli.terminal import OUT, JsonOption, open_ledger
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings

_SECONDS = 10
_MOST_ORDERS = 12

trade = typer.Typer(
    no_args_is_help=True,
    help="The trading job: `status`, `halt`, `clear`, and in the sandbox `play`.",
)
Person = Annotated[str, typer.Option("--as", help="Your name; it stays on record.")]
Reason = Annotated[str, typer.Option(help="Why; it stays on record.")]


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.add_typer(trade, name="trade", rich_help_panel="Live decisions")


class ExchangeUnavailable(LedgerlineError):
    """The sandbox's exchange did not answer, or there is none."""


@trade.command("status")
def trade_status(as_json: JsonOption = False) -> None:
    """Show what the trading job says of itself, its orders, positions and gains, from the evidence.

    It works whether the job runs or not. Example: `ledgerline trade status`
    """
    from ledgerline.decisions.trading.book import trading_status

    found = trading_status(open_ledger())
    if as_json:
        OUT.print_json(json.dumps(found))
        return
    show_trading(found)


@trade.command("halt")
def trade_halt(person: Person, reason: Reason) -> None:
    """Stop all new risk from now on. It holds through every restart, until a named person clears it.

    Example: `ledgerline trade halt --as maria --reason "prices look wrong"`
    """
    from ledgerline.decisions.trading.halt import halt_trading

    OUT.print(halt_trading(open_ledger(), person=person, reason=reason).said)


@trade.command("clear")
def trade_clear(person: Person, reason: Reason) -> None:
    """Let halted trading go on, in your name.

    Example: `ledgerline trade clear --as maria --reason "the vendor has corrected the bars"`
    """
    from ledgerline.decisions.trading.halt import clear_halt

    clear_halt(open_ledger(), person=person, reason=reason)
    OUT.print(f"cleared by {person}: trading goes on with the next session")


@trade.command("play")
def trade_play(
    seconds: Annotated[float, typer.Option(min=0.05, help="How long a session of the simulated market takes.")] = 1.0,
    step: Annotated[bool, typer.Option("--step", help="Let exactly one session pass instead.")] = False,
) -> None:
    """Let the sandbox's market move: its clock stands still until somebody starts it.

    One session after the other passes until the last that the simulated world has; then the market is closed. Real
    venues have a clock of their own. Example: `ledgerline trade play --seconds 2`
    """
    from ledgerline.launch import status

    url = status(Settings()).exchange_url
    if url is None:
        raise ExchangeUnavailable("no sandbox exchange is running here; `ledgerline run` starts one in the sandbox")
    OUT.print_json(json.dumps(play(url, seconds_per_session=seconds, step=step)))


def clock(url: str) -> dict[str, Any]:
    """Return what the sandbox exchange's clock says.

    Raises:
        ExchangeUnavailable: It does not answer.
    """
    return _asked("GET", url, None)


def play(url: str, *, seconds_per_session: float = 1.0, step: bool = False) -> dict[str, Any]:
    """Start the sandbox exchange's clock, or let it make one step; return what it says then.

    Raises:
        ExchangeUnavailable: It does not answer.
    """
    return _asked("POST", url, {"steps": 1} if step else _start(seconds_per_session))


def _start(seconds_per_session: float) -> dict[str, Any]:
    return {"run": True, "seconds_per_session": seconds_per_session}


def _asked(method: str, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
    import httpx

    try:
        response = httpx.request(method, f"{url}/sandbox/clock", json=body, timeout=_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise ExchangeUnavailable(f"the sandbox's exchange at {url} does not answer: {error}") from error
    if not response.is_success:
        raise ExchangeUnavailable(f"the sandbox's exchange answered {response.status_code}: {response.text}")
    answer: dict[str, Any] = response.json()
    return answer


def show_trading(found: dict[str, Any]) -> None:
    """Show how trading stands.

    Args:
        found: What :func:`ledgerline.decisions.trading.book.trading_status` says.
    """
    standing = found["standing"]
    OUT.print(f"Trading   {escape(standing['message'] if standing else 'the job has never run')}")
    if found["halt"]:
        halt = found["halt"]
        OUT.print(
            f"[bold red]HALT[/bold red]      by {escape(halt['person'])} since {halt['at']}: {escape(halt['reason'])}"
        )
    orders = found["orders"]
    if orders:
        counts = ", ".join(f"{count} {state}" for state, count in found["order_counts"].items())
        table = Table(
            "session", "symbol", "side", "quantity", "state", "filled", "price", "why", title=f"Paper orders: {counts}"
        )
        for order in orders[-_MOST_ORDERS:]:
            price = order["average_price"] or "-"
            why = order["refusal"] or order["reason"]
            table.add_row(
                order["session"],
                order["symbol"],
                str(order["side"]),
                order["quantity"],
                order["state"],
                order["filled"],
                price,
                escape(str(why)),
            )
        OUT.print(table)
        if len(orders) > _MOST_ORDERS:
            OUT.print(
                f"[dim]the last {_MOST_ORDERS} of {len(orders)}; `ledgerline trade status --json` has them all[/dim]"
            )
    if found["account"]:
        account = found["account"]
        OUT.print(
            f"Account   equity {account['equity']}, cash {account['cash']} after {account['session']}; realised "
            f"{found['realised']}, unrealised {found['unrealised'] or '-'}, {len(found['positions'])} positions"
        )


def trading_of(ledger: Ledger) -> dict[str, Any]:
    """Return how trading stands, from the evidence."""
    from ledgerline.decisions.trading.book import trading_status

    return trading_status(ledger)
