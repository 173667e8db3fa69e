"""The HTTP face of the scoring job."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ledgerline.audit import Ledger
from ledgerline.services.scoring.credit_schema import CreditAnswer, CreditRequest
from ledgerline.services.scoring.http_limits import BodyLimit
from ledgerline.services.scoring.job import ScoringJob
from ledgerline.services.scoring.measured import Measured
from ledgerline.services.scoring.problems import invalid_request, problem_response
from ledgerline.services.scoring.schema import (
    FieldProblem,
    Health,
    JobReadiness,
    Problem,
    ScoreAnswer,
    ScoreRequest,
    repeated_fields,
)
from ledgerline.services.scoring.serving import Question

LOCAL_NAMES = ("127.0.0.1", "localhost")

_LARGEST_BODY = 16 * 1024
_BODY_SECONDS = 10.0
_SCORE, _DECIDE = "/v1/fraud/score", "/v1/credit/decide"


def create_app(ledger: Ledger, *, waiting: int = 64, names: Sequence[str] = LOCAL_NAMES) -> FastAPI:
    """Make the scoring application for an installation.

    Args:
        ledger: The installation.
        waiting: How many requests may wait for an answer; more are answered 503 at once.
        names: Host names under which it may be asked; ``*`` for any. A web page that points its own name at this
            machine is turned away.
    """
    job = ScoringJob(ledger, waiting=waiting)
    app = FastAPI(
        title="Ledgerline scoring",
        version="1",
        description=(
            "Scores card payments and decides on credit applications with the approved models. Every answer is on "
            "record, with the request, the features and the model's digest, before it leaves."
        ),
        lifespan=job.running,
    )
    app.add_middleware(BodyLimit, largest=_LARGEST_BODY, seconds=_BODY_SECONDS)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(names))
    families = {_SCORE: ScoreRequest.family, _DECIDE: CreditRequest.family}
    app.add_middleware(Measured, metrics=job.metrics, families=families)
    _add_problem_handlers(app)
    _add_score(app, job)
    _add_decide(app, job)
    _add_operations(app, job)
    return app


def _add_score(app: FastAPI, job: ScoringJob) -> None:
    @app.post(
        _SCORE,
        summary="Score a payment",
        response_class=Response,
        responses=_responses(ScoreAnswer, "The transaction_id was used for another payment."),
    )
    async def score(payment: ScoreRequest, request: Request) -> Response:
        """Return score, verdict and reasons for one payment.

        Safe to repeat: the same payment gets the same recorded answer, marked ``Idempotent-Replayed: true``.
        """
        return await _answer(job, payment, request)


def _add_decide(app: FastAPI, job: ScoringJob) -> None:
    @app.post(
        _DECIDE,
        summary="Decide on a credit application",
        response_class=Response,
        responses=_responses(CreditAnswer, "The application_id was used for another application."),
    )
    async def decide(application: CreditRequest, request: Request) -> Response:
        """Return score, category, decision, terms and reasons for one application.

        Safe to repeat: the same application gets the same recorded answer, marked ``Idempotent-Replayed: true``.
        """
        return await _answer(job, application, request)


async def _answer(job: ScoringJob, question: Question, request: Request) -> Response:
    body = await request.body()
    if repeated := repeated_fields(body):
        return problem_response(
            422,
            "invalid_request",
            f"given more than once: {', '.join(repeated)}",
            fields=[FieldProblem(field=name, problem="given more than once") for name in repeated],
        )
    return await job.answer(question, body)


def _responses(answer: type[BaseModel], conflict: str) -> dict[int | str, dict[str, Any]]:
    said: Mapping[int, str] = {
        409: conflict,
        410: "It is about a person who was erased, of whom nothing may be kept.",
        413: "The body is too large.",
        422: "A field is missing, malformed or out of range; each is named.",
        500: "The answer on record was changed since, and is not given again.",
        503: "No answer now; the code says why, Retry-After when to come back.",
    }
    return {
        200: {"model": answer, "description": "The recorded answer."},
        **{status: {"model": Problem, "description": why} for status, why in said.items()},
    }


def _add_operations(app: FastAPI, job: ScoringJob) -> None:
    @app.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Health:
        """Return 200 while the process runs, whether or not a model is deployed."""
        return Health(status="ok")

    @app.get("/readyz", summary="Which models are answering?", responses={503: {"model": JobReadiness}})
    async def readyz(response: Response) -> JobReadiness:
        """Return 200 when every family that has a deployment is served and one is, otherwise 503 with the reasons."""
        readiness = job.readiness()
        response.status_code = 200 if readiness.ready else 503
        return readiness

    @app.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        """Return counts, latencies, loaded digests, refusals and the state of features in Prometheus' text format."""
        exposition = await asyncio.to_thread(job.metrics.exposition)  # it reads what monitoring saw last
        return Response(exposition, media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_problem_handlers(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return invalid_request(error)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # FastAPI's answer to bytes that are not even text
            return problem_response(
                422,
                "invalid_request",
                "body: no valid JSON",
                fields=[FieldProblem(field="body", problem="no valid JSON")],
            )
        return problem_response(error.status_code, "http_error", str(error.detail))
