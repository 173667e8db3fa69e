"""What one scoring process runs: the decider, and for each family a watcher that feeds it deployments."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI, Response

from feature_store.errors import StateLost, StoreUnavailable
from ledgerline.audit import Ledger
from ledgerline.audit.sealing import PersonalKeyRefused
from ledgerline.core.clock import instant_text
from ledgerline.decisions.record import DecisionChanged
from ledgerline.decisions.schema import ensure_tables
from ledgerline.services.scoring.concealing import SubjectErased
from ledgerline.services.scoring.credit_serving import CreditServing, load_credit
from ledgerline.services.scoring.decider import AlreadyDecided, Answer, Decider, NothingServes, NotRecorded, Overloaded
from ledgerline.services.scoring.feature_state import FeatureState
from ledgerline.services.scoring.fraud_serving import FraudServing, load_fraud
from ledgerline.services.scoring.live_features import OutOfSpan
from ledgerline.services.scoring.metrics import ScoringMetrics
from ledgerline.services.scoring.problems import problem_response
from ledgerline.services.scoring.schema import FieldProblem, JobReadiness, Readiness
from ledgerline.services.scoring.serving import Question, QuestionRefused
from ledgerline.services.scoring.watcher import NO_DEPLOYMENT, DeploymentWatcher, Load

_FAMILIES: Mapping[str, Load] = {FraudServing.family: load_fraud, CreditServing.family: load_credit}

_ANSWER_SECONDS = 10.0
_CLOCK_SKEW = timedelta(minutes=5)

_log = logging.getLogger(__name__)


class ScoringJob:
    """The decider, and the watchers.

    Args:
        ledger: The installation.
        waiting: How many requests may wait for the decider.
    """

    def __init__(self, ledger: Ledger, *, waiting: int) -> None:
        self.ledger = ledger
        self.metrics = ScoringMetrics()
        self.metrics.watch_features(FeatureState(ledger))
        self.decider = Decider(ledger, self.metrics, waiting=waiting)
        loading = threading.Lock()
        self.watchers = {
            family: DeploymentWatcher(ledger, family, load, self.decider, self.metrics, loading=loading)
            for family, load in _FAMILIES.items()
        }

    @asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        """Run all threads for as long as the application is up."""
        await asyncio.to_thread(ensure_tables, self.ledger)
        self.decider.start()
        for watcher in self.watchers.values():
            watcher.start()
        try:
            yield
        finally:
            await asyncio.gather(*(asyncio.to_thread(watcher.stop) for watcher in self.watchers.values()))
            await asyncio.to_thread(self.decider.stop)

    async def answer(self, question: Question, body: bytes) -> Response:
        """Return the response to one valid request; a decision is committed before it is returned."""
        now = self.ledger.clock.now()
        if question.asked_for is not None and question.asked_for > now + _CLOCK_SKEW:
            ahead = f"{instant_text(question.asked_for)} lies ahead of now, {instant_text(now)}"
            return _refused({"event_time": ahead})
        try:
            answer = await asyncio.wait_for(
                asyncio.wrap_future(self.decider.submit(question, body)), timeout=_ANSWER_SECONDS
            )
        except Overloaded as full:
            self.metrics.shed()
            return problem_response(503, "overloaded", str(full))
        except NothingServes:
            return self._nothing_serves(question.family)
        except NotRecorded as unrecorded:
            return problem_response(503, "not_recorded", str(unrecorded))
        except AlreadyDecided as conflict:
            return problem_response(409, "already_decided", str(conflict))
        except DecisionChanged as changed:
            return problem_response(500, "record_changed", str(changed))
        except PersonalKeyRefused as locked:
            _log.error("%s", locked)
            return problem_response(
                503, "personal_key", "the key to personal data is not here; nothing can be recorded"
            )
        except SubjectErased as erased:
            return problem_response(410, "subject_erased", str(erased))
        except QuestionRefused as refused:
            return _refused(refused.fields)
        except (StateLost, StoreUnavailable) as silent:
            _log.error("%s", silent)
            return problem_response(503, "online_store", "what remembers the features does not answer; ask again")
        except OutOfSpan as outside:
            return _refused({"event_time": str(outside)})
        except TimeoutError:
            message = f"no answer in time; it may be on record: ask again with the same {question.subject_field}"
            return problem_response(503, "timed_out", message)
        return _answered(answer)

    def readiness(self) -> JobReadiness:
        """Say by family whether requests are answered, and by which model.

        A family without a deployment keeps nobody waiting; one that is being looked for, loaded or refused does.
        """
        families = {family: self._readiness(family) for family in self.watchers}
        awaited = [found for found in families.values() if found.code != NO_DEPLOYMENT]
        return JobReadiness(ready=bool(awaited) and all(found.ready for found in awaited), families=families)

    def _readiness(self, family: str) -> Readiness:
        serving, watcher = self.decider.serving(family), self.watchers[family]
        refused = watcher.refused
        readiness = Readiness(
            ready=serving is not None,
            code="ready" if serving else watcher.code,
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

    def _nothing_serves(self, family: str) -> Response:
        watcher = self.watchers[family]
        refused = watcher.refused
        if refused:
            message = f"the deployment {refused.deployment} is refused: {refused.message}"
        elif watcher.code == NO_DEPLOYMENT:
            message = f"no {family} model is deployed yet; train, approve and deploy one"
        else:
            message = "the deployment in force is being loaded; ask again in a second"
        return problem_response(503, watcher.code, message)


def _answered(answer: Answer) -> Response:
    headers = {"Idempotent-Replayed": "true"} if answer.repeated else None
    return Response(answer.body, media_type="application/json", headers=headers)


def _refused(fields: Mapping[str, str]) -> Response:
    problems = [FieldProblem(field=name, problem=problem) for name, problem in fields.items()]
    named = "; ".join(f"{each.field}: {each.problem}" for each in problems)
    return problem_response(422, "invalid_request", named, fields=problems)
