"""The shape that all promotion DAGs have. Not a DAG file itself (`.airflowignore`)."""

import logging
from typing import Any

from airflow.sdk import DAG, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException
from wiring import DEPLOYED, MODELS, task_defaults

from pipelines.orchestration.await_approval import AwaitApproval

log = logging.getLogger(__name__)

DOC = """
From a trained {family} model to {place}.

1. **gates**: a refused model ends the run here; the later tasks are skipped and the reason is in the task's log.
2. **await_approval** shows the evidence under *Required Actions* and waits, without holding a worker, until named
   people have signed: `ledgerline approve {family}@3 --as NAME --role validator`. Signing happens outside Airflow:
   whoever answers the page approves nothing by that.
3. **deploy** checks every signature and hash again and puts the model in force.
{loaded}"""
LOADED = "4. **loaded** waits until {place} itself reports the new digest.\n"

# Where a family's live job says what it serves; a forecast has none, `publish_forecast` follows.
PLACES = {
    "fraud": "the scoring job",
    "credit": "the scoring job",
    "price": "the trading job",
    "forecast": "the publishing of forecasts",
}


def promote_dag(family: str) -> DAG:
    """Return the DAG that promotes one family's models."""
    place, lives = PLACES[family], family != "forecast"

    @dag(
        dag_id=f"promote_{family}",
        schedule=[MODELS[family]],
        catchup=False,
        max_active_runs=1,
        params={"bundle": Param(None, type=["null", "string"], description="Digest; for a run that somebody triggers")},
        tags=["promotion", family],
        default_args=task_defaults("model-risk"),
        doc_md=DOC.format(family=family, place=place, loaded=LOADED.format(place=place) if lives else ""),
    )
    def promote_family() -> None:
        @task
        def gates(params: dict[str, Any], triggering_asset_events: Any = None) -> dict[str, Any]:
            from ledgerline.audit import Ledger
            from pipelines.promotion import evaluate_gates

            events = triggering_asset_events.get(MODELS[family], ())
            bundle = params["bundle"] or (events[-1].extra["bundle"] if events else None)
            if bundle is None:
                raise AirflowFailException('which model? Trigger with the configuration {"bundle": "<digest>"}')
            judged = evaluate_gates(Ledger.open(), bundle)
            refused_by = [
                f"{gate['gate']}: {gate['detail']}" for gate in judged.identity["gates"] if not gate["passed"]
            ]
            log.info("%s %s", bundle[:16], "; ".join(refused_by) or "passed every gate")
            verdict = {"passed": judged.identity["passed"], "refused_by": refused_by}
            return {"bundle": bundle, "evaluation": judged.id, **verdict}

        @task(outlets=[] if lives else [DEPLOYED[family]])
        def deploy(judged: dict[str, Any], outlet_events: Any = None) -> dict[str, Any]:
            from ledgerline.audit import Ledger
            from pipelines import promotion

            deployment = promotion.deploy(Ledger.open(), judged["bundle"])
            deployed = {"bundle": judged["bundle"], "deployment": deployment.id}
            if not lives:
                outlet_events[DEPLOYED[family]].extra = deployed
            return deployed

        @task.sensor(poke_interval=1, timeout=180, mode="poke", outlets=[DEPLOYED[family]])
        def loaded(deployed: dict[str, Any], outlet_events: Any = None) -> bool:
            from pipelines.orchestration.live_jobs import readiness

            said = readiness(family)
            log.info("%s says %s", place, said)
            if said.get("refused_deployment") == deployed["deployment"]:
                raise AirflowFailException(f"{place} refuses the deployment: {said['refused_because']}")
            outlet_events[DEPLOYED[family]].extra = deployed
            return said.get("digest") == deployed["bundle"]

        judged = gates()
        deployed = deploy(judged)
        AwaitApproval(task_id="await_approval", judged=judged, family=family) >> deployed
        if lives:
            loaded(deployed)

    return promote_family()
