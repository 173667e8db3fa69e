"""What the live jobs answer once a line has run through: a payment, an application, a forecast, orders."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.cli.forecasts import show_forecast
from ledgerline.cli.live import (
    credit_request,
    describe_answer,
    describe_credit,
    post_decide,
    post_score,
    scoring_request,
)
from ledgerline.cli.summary import show_demo_approver, show_model, show_trace
from ledgerline.cli.terminal import OUT
from ledgerline.cli.trading import ExchangeUnavailable, clock, play, show_trading, trading_of
from ledgerline.core.errors import LedgerlineError

if TYPE_CHECKING:
    from ledgerline.launch import Stack
    from pipelines.orchestration.family_line import FamilyLine

_LOADED_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_SAMPLE_AMOUNT_MINOR = 31_000  # above the simulated world's first fraud scenario: an alert shows more than a pass
_DECIDED_SECONDS, _DECIDED_LOOK_SECONDS = 30.0, 0.1
_SAID_EVERY = 5  # sessions
_UNSENT = {"committed", "sending", "unknown"}
_STANDING_SECONDS = 20.0


class NotTakenUp(LedgerlineError):
    """A live job does not serve what was deployed."""


def show_outcomes(ledger: Ledger, stack: "Stack", lines: "Sequence[FamilyLine]") -> bool:
    """Show every family's model and what it answers now; return whether all came to their honest end.

    A price model may be refused by its gates: the trading job then holds and says why, and that is an end. The others
    have to be in force, and what they answer has to lead back to raw bytes that still hold.
    """
    show_demo_approver(ledger)
    complete = True
    for line in lines:
        OUT.rule(line.family)
        complete &= _show_family(ledger, stack, line)
    return complete


def _show_family(ledger: Ledger, stack: "Stack", line: "FamilyLine") -> bool:
    from pipelines.orchestration.family_line import Stage

    if line.stage is Stage.NO_DATA:
        OUT.print(f"[dim]The source has nothing that a {line.family} model is made of.[/dim]")
        return True
    show_model(ledger, line.family)
    if line.family == "price":
        return _show_orders(ledger, stack, line)
    if line.stage is not Stage.IN_FORCE:
        OUT.print(f"[yellow]{_standing(line)}[/yellow]")
        return False
    try:
        return _SHOWN[line.family](ledger, stack, line)
    except LedgerlineError as refusal:
        OUT.print(f"[red]{escape(str(refusal))}[/red]")
        return False


def _standing(line: "FamilyLine") -> str:
    """Return why nothing of a family is in force, in a sentence."""
    why = "; ".join(line.why)
    said = {
        "refused": f"The gates refused it, so nothing answers: {why}",
        "unsigned": f"It waits for signatures ({why}), so nothing answers yet.",
    }
    return escape(said.get(line.stage.value, f"Its line stopped half-way: {line.stage.value.replace('_', ' ')}."))


def _show_payment(ledger: Ledger, stack: "Stack", line: "FamilyLine") -> bool:
    _await_loaded(stack.scoring_url, line)
    answer = post_score(stack.scoring_url, _sample_payment(ledger))
    return _show_decision(ledger, answer, describe_answer(answer))


def _show_application(ledger: Ledger, stack: "Stack", line: "FamilyLine") -> bool:
    _await_loaded(stack.scoring_url, line)
    answer = post_decide(stack.scoring_url, _sample_application(ledger, str(line.bundle)))
    return _show_decision(ledger, answer, describe_credit(answer))


def _show_decision(ledger: Ledger, answer: dict[str, Any], text: str) -> bool:
    OUT.print(f"\nOne decision, and the way back\n{text}")
    OUT.print(f"[bold]ledgerline trace {answer['decision_id']}[/bold]")
    return show_trace(ledger, answer["decision_id"])


def _show_published(ledger: Ledger, _stack: "Stack", _line: "FamilyLine") -> bool:
    return show_forecast(ledger)


_SHOWN: dict[str, Callable[[Ledger, "Stack", "FamilyLine"], bool]] = {
    "fraud": _show_payment,
    "credit": _show_application,
    "forecast": _show_published,
}


def _show_orders(ledger: Ledger, stack: "Stack", line: "FamilyLine") -> bool:
    """Let the simulated market pass, show what was traded, or why the trading job holds."""
    from pipelines.orchestration.family_line import Stage

    if line.stage is not Stage.IN_FORCE:
        OUT.print(f"[yellow]{_standing(line)}[/yellow]")
        OUT.print(f"Trading   {escape(_holding_because(stack))}")
        return line.stage is Stage.REFUSED
    try:
        _await_loaded(stack.trading_url, line)
        _let_the_market_pass(ledger, stack)
    except LedgerlineError as refusal:
        OUT.print(f"[red]{escape(str(refusal))}[/red]")
    found = trading_of(ledger)
    show_trading(found)
    filled = [order for order in found["orders"] if order["state"] == "filled"]
    if not filled:
        OUT.print(f"No order was filled. {escape(_holding_because(stack))}")
        return ledger.settings.data is not None  # real files come without a future: their market is closed
    intent = _intent(ledger, filled[-1]["client_order_id"])
    OUT.print("\nOne order, and the way back")
    OUT.print(f"[bold]ledgerline trace {intent.identity['client_order_id']}[/bold]")
    return show_trace(ledger, intent.id)


def _intent(ledger: Ledger, client_order_id: str) -> RecordedLeaf:
    found = ledger.log.latest(Kind.ORDER_INTENT, client_order_id=client_order_id)
    if found is None:
        raise LedgerlineError(f"order {client_order_id} has no intent on record")
    return found


def _let_the_market_pass(ledger: Ledger, stack: "Stack") -> None:
    """Let the sandbox exchange's sessions pass, each once the one before is decided on and its orders have been sent.

    So two runs of one world send the same orders, whatever else the machine does.
    """
    if stack.exchange_url is None:
        return
    now = clock(stack.exchange_url)
    while not now["ended"]:
        _await_decided(ledger, str(now["session"]))
        now = play(stack.exchange_url, step=True)
        if now["sessions_passed"] % _SAID_EVERY == 0:
            OUT.print(f"[dim]market[/dim] session {now['session']} has passed, {now['sessions_left']} are left")
    _await_decided(ledger, str(now["session"]))
    _await_standstill(ledger)


def _await_decided(ledger: Ledger, session: str) -> None:
    """Wait until the trading job has decided on a session and no order of it is still to be sent.

    Raises:
        ExchangeUnavailable: It did not within a generous while.
    """
    deadline = time.monotonic() + _DECIDED_SECONDS
    while time.monotonic() < deadline:
        found = trading_of(ledger)
        if str(found["session"]) >= session and not _UNSENT & {order["state"] for order in found["orders"]}:
            return
        time.sleep(_DECIDED_LOOK_SECONDS)
    raise ExchangeUnavailable(f"the trading job has not decided on session {session} within {_DECIDED_SECONDS:.0f} s")


def _await_standstill(ledger: Ledger) -> None:
    """Wait until no order changes any more: the last fills are read back a moment after the market closed."""
    deadline, before, since = time.monotonic() + _STANDING_SECONDS, None, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < 5 * _LOOK_SECONDS:
        found = trading_of(ledger)
        picture = (found["session"], found["order_counts"], found["fills"])
        if picture != before:
            before, since = picture, time.monotonic()
        time.sleep(_LOOK_SECONDS)


def _holding_because(stack: "Stack") -> str:
    import httpx

    if stack.trading_url is None:
        return "This stack has no trading job: no venue is named."
    try:
        said = httpx.get(f"{stack.trading_url}/readyz", timeout=5, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:
        return f"The trading job does not answer: {error}"
    return f"The trading job holds: {said['holding_because']}" if said.get("holding_because") else "It trades."


def _await_loaded(url: str | None, line: "FamilyLine") -> None:
    """Wait until a live job serves a bundle.

    Raises:
        NotTakenUp: It did not take it up in time.
    """
    import httpx

    deadline = time.monotonic() + _LOADED_SECONDS
    said = "there is no such job"
    while url is not None and time.monotonic() < deadline:
        try:
            said = httpx.get(f"{url}/readyz", timeout=5, trust_env=False).text
        except httpx.HTTPError as error:
            said = str(error)
        if str(line.bundle) in said:
            return
        time.sleep(_LOOK_SECONDS)
    raise NotTakenUp(
        f"no job took up {line.family} bundle {str(line.bundle)[:16]} within {_LOADED_SECONDS:.0f} s: {said}"
    )


def _sample_payment(ledger: Ledger) -> dict[str, Any]:
    """Return the request that the summary scores: the newest accepted payment's card and terminal, used once more."""
    last = _newest_row(ledger, "transactions", "transaction_id")
    return scoring_request(
        f"sample-after-{last['transaction_id']}",
        last["customer_id"],
        last["terminal_id"],
        _SAMPLE_AMOUNT_MINOR,
        last["currency"],
        last["event_time"] + timedelta(minutes=1),
    )


def _sample_application(ledger: Ledger, digest: str) -> dict[str, Any]:
    """Return the request that the summary decides: the newest application of the model's portfolio, asked again."""
    from ledgerline.decisions.bundle import INPUTS_FILE, load_bundle
    from ledgerline.decisions.credit import CreditInputs

    takes = CreditInputs.from_bytes(load_bundle(ledger.objects, digest).files[INPUTS_FILE])
    last = _newest_row(ledger, "applications", "application_id", portfolio=takes.portfolio)
    attributes = {name: last[name] for name in takes.attributes if name in last}
    return credit_request(f"sample-of-{last['application_id']}", attributes)


def _newest_row(ledger: Ledger, dataset: str, key: str, **where: str) -> dict[str, Any]:
    """Return the newest accepted row of a dataset, among those that hold certain values."""
    import polars as pl

    from pipelines.validation import accepted_receipts

    receipts = [leaf for leaf in accepted_receipts(ledger, dataset) if leaf.detail["event_time_max"]]
    for receipt in sorted(receipts, key=lambda leaf: leaf.detail["event_time_max"], reverse=True):
        rows = pl.read_parquet(ledger.settings.workspace_path / receipt.detail["accepted_path"])
        chosen = rows.filter(pl.col(name) == value for name, value in where.items()) if where else rows
        if chosen.height:
            return chosen.sort("event_time", key).row(-1, named=True)
    raise LedgerlineError(f"no accepted row of {dataset} is like that: {where or 'none at all'}")
