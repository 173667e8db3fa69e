"""Answers that are no answer: one shape, a code for programs, a sentence for people, the field that is wrong."""

from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from ledgerline.services.scoring.schema import FieldProblem, Problem

_RETRY_AFTER_SECONDS = "1"


def problem_response(
    status: int, code: str, message: str, *, fields: Sequence[FieldProblem] = (), close: bool = False
) -> JSONResponse:
    """Return a problem as a response; 503 tells the client when to come back.

    Args:
        status: HTTP status.
        code: For programs.
        message: For people.
        fields: The fields that are wrong.
        close: Whether the connection ends with it, because the request was not read to its end.
    """
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if status == 503 else {}
    if close:
        headers["Connection"] = "close"
    problem = Problem(code=code, message=message, fields=list(fields))
    return JSONResponse(problem.model_dump(), status_code=status, headers=headers)


def invalid_request(invalid: RequestValidationError) -> JSONResponse:
    """Return 422 naming every field that is wrong, without repeating what was sent."""
    fields = [FieldProblem(field=_field(error), problem=_said(error)) for error in invalid.errors()]
    named = "; ".join(f"{each.field}: {each.problem}" for each in fields)
    return problem_response(422, "invalid_request", named, fields=fields)


def _field(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return "body"
    path = [str(part) for part in error["loc"] if part != "body"]
    return ".".join(path) or "body"


def _said(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"no valid JSON: {error.get('ctx', {}).get('error', 'unreadable')} at character {error['loc'][-1]}"
    return str(error["msg"]).removeprefix("Value error, ")
