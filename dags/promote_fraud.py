"""A fraud model is judged, signed for by people, and put in force."""

import logging
import os
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from wiring import FRAUD_MODEL, task_defaults

log = logging.getLogger(__name__)

PATIENCE = timedelta(days=7)


class AwaitApproval(BaseOperator):
    """Waits, without holding a worker, until every signature that the policy asks for is on record.

    The event that wakes it is no evidence: deploying checks the signatures again.

    Args:
        judged: What the gates said: ``bundle``, ``passed``, ``refused_by``.
    """

    template_fields = ("judged",)

    def __init__(self, *, judged: Any, **more: Any) -> None:
        super().__init__(**more)
        self.judged = judged

    def execute(self, context: Any) -> None:
        """Skip a refused model, with the reason; otherwise hand over to the triggerer."""
        from pipelines.promotion.approval_trigger import ApprovalTrigger

        if not self.judged["passed"]:
            raise AirflowSkipException(f"refused by the gates: {'; '.join(self.judged['refused_by'])}")
        # A moment that follows from the run, so that a second try does not start the wait over.
        deadline = context["dag_run"].run_after + PATIENCE
        log.info("waiting for signatures: ledgerline approve %s", self.judged["bundle"][:16])
        self.defer(trigger=ApprovalTrigger(self.judged["bundle"], deadline, 1.0), method_name="resume")

    def resume(self, context: Any, event: dict[str, Any]) -> None:
        """Go on once signed; otherwise say why not."""
        if event["outcome"] == "refused":
            raise AirflowSkipException(event["message"])
        if event["outcome"] != "approved":
            raise AirflowFailException(f"{event['message']}; missing: {', '.join(event['missing'])}")
        log.info(event["message"])


@dag(
    schedule=[FRAUD_MODEL],
    catchup=False,
    max_active_runs=1,
    params={"bundle": Param(None, type=["null", "string"], description="Digest; for a run that somebody triggers")},
    tags=["promotion", "fraud"],
    default_args=task_defaults("model-risk"),
)
def promote_fraud() -> None:
    """From a trained model to the live scoring job.

    1. **gates**: a refused model ends the run here; the later tasks are skipped and the reason is in the task's log.
    2. **await_approval** is deferred until named people have signed: `ledgerline approve fraud@3 --role validator`.
       Signing happens outside Airflow: no task can approve.
    3. **deploy** checks every signature and hash again and puts the model in force.
    4. **loaded** waits until the scoring job itself reports the new digest.
    """

    @task
    def gates(params: dict[str, Any], triggering_asset_events: Any = None) -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from pipelines.promotion import evaluate_gates

        events = triggering_asset_events.get(FRAUD_MODEL, ())
        bundle = params["bundle"] or (events[-1].extra["bundle"] if events else None)
        if bundle is None:
            raise AirflowFailException('which model? Trigger with the configuration {"bundle": "<digest>"}')
        judged = evaluate_gates(Ledger.open(), bundle)
        refused_by = [f"{gate['gate']}: {gate['detail']}" for gate in judged.identity["gates"] if not gate["passed"]]
        log.info("%s %s", bundle[:16], "; ".join(refused_by) or "passed every gate")
        return {
            "bundle": bundle,
            "evaluation": judged.id,
            "passed": judged.identity["passed"],
            "refused_by": refused_by,
        }

    @task
    def deploy(judged: dict[str, Any]) -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from pipelines import promotion

        return {"bundle": judged["bundle"], "deployment": promotion.deploy(Ledger.open(), judged["bundle"]).id}

    @task.sensor(poke_interval=1, timeout=180, mode="poke")
    def loaded(deployed: dict[str, Any]) -> bool:
        import httpx

        from ledgerline.core.settings import Settings

        settings = Settings()
        url = os.environ.get("LEDGERLINE_SCORING_URL") or f"http://{settings.host}:{settings.scoring_port}"
        try:
            readiness = httpx.get(f"{url}/readyz", timeout=5, trust_env=False).json()
        except httpx.HTTPError as error:  # it may just be starting
            log.info("the scoring job at %s does not answer: %s", url, error)
            return False
        log.info("the scoring job says %s", readiness)
        if readiness["refused_deployment"] == deployed["deployment"]:
            raise AirflowFailException(f"the scoring job refuses the deployment: {readiness['refused_because']}")
        return bool(readiness["ready"] and readiness["digest"] == deployed["bundle"])

    judged = gates()
    deployed = deploy(judged)
    AwaitApproval(task_id="await_approval", judged=judged) >> deployed
    loaded(deployed)


promote_fraud()
