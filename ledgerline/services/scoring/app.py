"""The HTTP face of the scoring job."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ledgerline.audit import Ledger
from ledgerline.core.clock import instant_text
from ledgerline.decisions.record import DecisionChanged
from ledgerline.decisions.schema import ensure_tables
from ledgerline.services.scoring.decider import AlreadyDecided, Answer, Decider, NothingServes, NotRecorded, Overloaded
from ledgerline.services.scoring.http_limits import BodyLimit
from ledgerline.services.scoring.live_features import OutOfSpan
from ledgerline.services.scoring.measured import Measured
from ledgerline.services.scoring.metrics import ScoringMetrics
from ledgerline.services.scoring.problems import invalid_request, problem_response
from ledgerline.services.scoring.schema import (
    FieldProblem,
    Health,
    Problem,
    Readiness,
    ScoreAnswer,
    ScoreRequest,
    repeated_fields,
)
from ledgerline.services.scoring.watcher import NO_DEPLOYMENT, DeploymentWatcher

LOCAL_NAMES = ("127.0.0.1", "localhost")

_LARGEST_BODY = 16 * 1024
_BODY_SECONDS = 10.0
_ANSWER_SECONDS = 10.0
_CLOCK_SKEW = timedelta(minutes=5)


class ScoringJob:
    """What one process runs: the decider, and the watcher that feeds it deployments.

    Args:
        ledger: The installation.
        waiting: How many requests may wait for the decider.
    """

    def __init__(self, ledger: Ledger, *, waiting: int) -> None:
        self.ledger = ledger
        self.metrics = ScoringMetrics()
        self.decider = Decider(ledger, self.metrics, waiting=waiting)
        self.watcher = DeploymentWatcher(ledger, self.decider, self.metrics)

    @asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        """Run both threads for as long as the application is up."""
        await asyncio.to_thread(ensure_tables, self.ledger)
        self.decider.start()
        self.watcher.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.watcher.stop)
            await asyncio.to_thread(self.decider.stop)

    async def answer(self, payment: ScoreRequest, body: bytes) -> Response:
        """Return the response to one valid request; a decision is committed before it is returned."""
        now = self.ledger.clock.now()
        if payment.event_time > now + _CLOCK_SKEW:
            return _wrong_time(f"{instant_text(payment.event_time)} lies ahead of now, {instant_text(now)}")
        try:
            answer = await asyncio.wait_for(
                asyncio.wrap_future(self.decider.submit(payment, body)), timeout=_ANSWER_SECONDS
            )
        except Overloaded as full:
            self.metrics.shed()
            return problem_response(503, "overloaded", str(full))
        except NothingServes:
            return self._nothing_serves()
        except NotRecorded as unrecorded:
            return problem_response(503, "not_recorded", str(unrecorded))
        except AlreadyDecided as conflict:
            return problem_response(409, "already_decided", str(conflict))
        except DecisionChanged as changed:
            return problem_response(500, "record_changed", str(changed))
        except OutOfSpan as outside:
            return _wrong_time(str(outside))
        except TimeoutError:
            message = "no answer in time; it may be on record: ask again with the same transaction_id"
            return problem_response(503, "timed_out", message)
        return _answered(answer)

    def readiness(self) -> Readiness:
        """Say whether payments are answered, and by which model."""
        serving, refused = self.decider.serving, self.watcher.refused
        readiness = Readiness(
            ready=serving is not None,
            code="ready" if serving else self.watcher.code,
            refused_deployment=refused.deployment if refused else None,
            refused_because=refused.code if refused else None,
        )
        if serving is None:
            return readiness
        return readiness.model_copy(
            update={
                "model": serving.name,
                "digest": serving.digest,
                "deployment": serving.deployment.id,
                "approved_until": instant_text(serving.approved_until),
            }
        )

    def _nothing_serves(self) -> Response:
        refused = self.watcher.refused
        if refused:
            message = f"the deployment {refused.deployment} is refused: {refused.message}"
        elif self.watcher.code == NO_DEPLOYMENT:
            message = "no model is deployed yet; train, approve and deploy one"
        else:
            message = "the deployment in force is being loaded; ask again in a second"
        return problem_response(503, self.watcher.code, message)


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
            "Scores card payments with the approved fraud model. Every answer is on record, with the request, the "
            "features and the model's digest, before it leaves."
        ),
        lifespan=job.running,
    )
    app.add_middleware(BodyLimit, largest=_LARGEST_BODY, seconds=_BODY_SECONDS)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(names))
    app.add_middleware(Measured, metrics=job.metrics)
    _add_problem_handlers(app)
    _add_score(app, job)
    _add_operations(app, job)
    return app


def _add_score(app: FastAPI, job: ScoringJob) -> None:
    @app.post(
        "/v1/fraud/score",
        summary="Score a payment",
        response_class=Response,
        responses={
            200: {"model": ScoreAnswer, "description": "The recorded answer."},
            409: {"model": Problem, "description": "The transaction_id was used for another payment."},
            413: {"model": Problem, "description": "The body is too large."},
            422: {"model": Problem, "description": "A field is missing, malformed or out of range; each is named."},
            500: {"model": Problem, "description": "The answer on record was changed since, and is not given again."},
            503: {"model": Problem, "description": "No answer now; the code says why, Retry-After when to come back."},
        },
    )
    async def score(payment: ScoreRequest, request: Request) -> Response:
        """Return score, verdict and reasons for one payment.

        Safe to repeat: the same payment gets the same recorded answer, marked ``Idempotent-Replayed: true``.
        """
        body = await request.body()
        if repeated := repeated_fields(body):
            return problem_response(
                422,
                "invalid_request",
                f"given more than once: {', '.join(repeated)}",
                fields=[FieldProblem(field=name, problem="given more than once") for name in repeated],
            )
        return await job.answer(payment, body)


def _add_operations(app: FastAPI, job: ScoringJob) -> None:
    @app.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Health:
        """Return 200 while the process runs, whether or not a model is deployed."""
        return Health(status="ok")

    @app.get("/readyz", summary="Is a model answering, and which?", responses={503: {"model": Readiness}})
    async def readyz(response: Response) -> Readiness:
        """Return 200 with the digest of the bundle that answers, otherwise 503 with the reason."""
        readiness = job.readiness()
        response.status_code = 200 if readiness.ready else 503
        return readiness

    @app.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        """Return counts, latencies, the loaded digest and refusals in Prometheus' text format."""
        return Response(job.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


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


def _answered(answer: Answer) -> Response:
    headers = {"Idempotent-Replayed": "true"} if answer.repeated else None
    return Response(answer.body, media_type="application/json", headers=headers)


def _wrong_time(problem: str) -> Response:
    fields = [FieldProblem(field="event_time", problem=problem)]
    return problem_response(422, "invalid_request", f"event_time: {problem}", fields=fields)
