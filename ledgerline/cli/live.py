"""Verbs that talk to the scoring job: score, decide."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ledgerline.cli.terminal import OUT, JsonOption
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings

_SECONDS = 10


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.command(rich_help_panel="Live decisions")(score)
    app.command(rich_help_panel="Live decisions")(decide)


class ScoringUnavailable(LedgerlineError):
    """The scoring job did not answer, or refused the request."""


def post_score(url: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send one transaction to the scoring job and return its answer.

    Raises:
        ScoringUnavailable: With what the job said.
    """
    return _post(f"{url}/v1/fraud/score", request)


def post_decide(url: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send one credit application to the scoring job and return its answer.

    Raises:
        ScoringUnavailable: With what the job said.
    """
    return _post(f"{url}/v1/credit/decide", request)


def _post(url: str, request: Mapping[str, Any]) -> dict[str, Any]:
    import httpx

    try:
        response = httpx.post(url, json=dict(request), timeout=_SECONDS)
    except httpx.HTTPError as error:
        raise ScoringUnavailable(f"the scoring job at {url} does not answer ({error}); `ledgerline status`") from error
    if response.status_code != httpx.codes.OK:
        raise ScoringUnavailable(f"the scoring job answered {response.status_code}: {response.text}")
    answer: dict[str, Any] = response.json()
    return answer


def _scoring_url() -> str:
    from ledgerline.launch import status

    url = status(Settings()).scoring_url
    if url is None:
        raise ScoringUnavailable("no scoring job is running here; `make run` starts one")
    return url


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
    url = _scoring_url()
    answer = post_score(
        url, scoring_request(transaction or uuid.uuid4().hex, customer, terminal, amount_minor, currency, at)
    )
    _show(answer, describe_answer(answer), as_json=as_json)


def decide(
    file: Annotated[
        Path | None,
        typer.Argument(help="A JSON file: one object with the application's attributes. `-` reads the terminal."),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--set", help="One attribute as NAME=VALUE, on top of the file's; may be repeated."),
    ] = None,
    application: Annotated[
        str, typer.Option("--application", help="Application id. Without it: the file's, or a new one.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Decide one credit application at the running scoring job: score, decision, rate and at most four reasons.

    Which attributes the model wants is in its answer where one is missing or unknown; `ledgerline run` shows a whole
    application. The decision is recorded before it is answered.

    Example: `ledgerline decide application.json --set income=52000 --set purpose=car`
    """
    if file is None and not attribute:
        raise LedgerlineError("which application? Name a JSON file, or say its attributes with --set NAME=VALUE")
    attributes = _attributes(file) | dict(_assignment(text) for text in attribute or ())
    application_id = application or str(attributes.pop("application_id", "")) or uuid.uuid4().hex
    attributes.pop("application_id", None)
    answer = post_decide(_scoring_url(), credit_request(application_id, attributes))
    _show(answer, describe_credit(answer), as_json=as_json)


def _attributes(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise LedgerlineError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise LedgerlineError(f"{file} holds no JSON object of attributes")
    return found.get("attributes", found) if isinstance(found.get("attributes", found), dict) else found


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise LedgerlineError(f"--set takes NAME=VALUE, not {text!r}")
    try:
        return name, float(value) if value.strip() else None
    except ValueError:
        return name, value


def _show(answer: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        OUT.print_json(json.dumps(answer))
        return
    OUT.print(text)
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


def credit_request(application_id: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a request for a credit decision; attributes that are not known are left out."""
    known = {name: value for name, value in attributes.items() if value is not None}
    return {"application_id": application_id, "attributes": known}


def describe_answer(answer: dict[str, Any]) -> str:
    """Return one line that says what was decided, by which model, and why."""
    colour = "red" if answer["verdict"] == "alert" else "green"
    reasons = ", ".join(f"{reason['text']} ({reason['value']:g})" for reason in answer["reasons"]) or "nothing"
    model = answer["model"]
    return (
        f"[{colour}]{answer['verdict']}[/{colour}]  score {answer['score']:.4f}, alert from {answer['threshold']:.4f}; "
        f"model {model['name']} {model['digest'][:16]}; because of {reasons}"
    )


def describe_credit(answer: dict[str, Any]) -> str:
    """Return what was decided about an application, on what terms, by which model, and the principal reasons."""
    colour = "green" if str(answer["decision"]).startswith("approved") else "red"
    model = answer["model"]
    terms = [f"score {answer['score']}", str(answer["category"])]
    terms += [f"rate {answer['rate']} %"] if answer.get("rate") is not None else []
    terms += [f"at most {answer['maximum_loan']:,}"] if answer.get("maximum_loan") is not None else []
    lines = [
        f"[{colour}]{answer['decision']}[/{colour}]  {', '.join(terms)}; model {model['name']} {model['digest'][:16]}"
    ]
    lines += [f"  because of {escape(str(reason.get('text', reason.get('code'))))}" for reason in answer["reasons"]]
    return "\n".join(lines)
