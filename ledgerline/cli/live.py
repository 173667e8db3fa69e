"""Verbs that talk to the live jobs: score."""

import json
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ledgerline.cli.terminal import OUT, JsonOption
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.command()(score)


class ScoringUnavailable(LedgerlineError):
    """The scoring job did not answer, or refused the request."""


def post_score(url: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send one transaction to the scoring job and return its answer.

    Raises:
        ScoringUnavailable: With what the job said.
    """
    import httpx

    try:
        response = httpx.post(f"{url}/v1/fraud/score", json=request, timeout=10)
    except httpx.HTTPError as error:
        raise ScoringUnavailable(f"the scoring job at {url} does not answer ({error}); `ledgerline status`") from error
    if response.status_code != httpx.codes.OK:
        raise ScoringUnavailable(f"the scoring job answered {response.status_code}: {response.text}")
    answer: dict[str, Any] = response.json()
    return answer


def score(
    customer: Annotated[str, typer.Option(help="Customer id.")],
    terminal: Annotated[str, typer.Option(help="Terminal id.")],
    amount_minor: Annotated[int, typer.Option(help="Amount in the currency's minor unit: 5716 is 57.16 USD.")],
    at: Annotated[datetime, typer.Option(help="When the card was used, UTC.")],
    transaction: Annotated[str, typer.Option(help="Transaction id. Without it: a new one.", show_default=False)] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    as_json: JsonOption = False,
) -> None:
    """Score one card transaction at the running scoring job; the decision is recorded before it is answered.

    Example: `ledgerline score --customer 596 --terminal 3156 --amount-minor 5716 --at 2018-10-01T09:00:00`
    """
    from ledgerline.launch import status

    url = status(Settings()).scoring_url
    if url is None:
        raise ScoringUnavailable("no scoring job is running here; `make run` starts one")
    answer = post_score(
        url, scoring_request(transaction or uuid.uuid4().hex, customer, terminal, amount_minor, currency, at)
    )
    if as_json:
        OUT.print_json(json.dumps(answer))
        return
    OUT.print(describe_answer(answer))
    OUT.print(f"Walk back: ledgerline trace {answer['decision_id']}")


def scoring_request(
    transaction: str, customer: str, terminal: str, amount_minor: int, currency: str, at: datetime
) -> dict[str, Any]:
    """Return the body of a scoring request; ``at`` without a zone is UTC."""
    return {
        "transaction_id": transaction,
        "customer_id": customer,
        "terminal_id": terminal,
        "amount_minor": amount_minor,
        "currency": currency,
        "event_time": instant_text(at if at.tzinfo else at.replace(tzinfo=UTC)),
    }


def describe_answer(answer: dict[str, Any]) -> str:
    """Return one line that says what was decided, by which model, and why."""
    colour = "red" if answer["verdict"] == "alert" else "green"
    reasons = ", ".join(f"{reason['text']} ({reason['value']:g})" for reason in answer["reasons"]) or "nothing"
    model = answer["model"]
    return (
        f"[{colour}]{answer['verdict']}[/{colour}]  score {answer['score']:.4f}, alert from {answer['threshold']:.4f}; "
        f"model {model['name']} {model['digest'][:16]}; because of {reasons}"
    )
