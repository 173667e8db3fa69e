"""The newest batch is scored by the deployed models, as the live job would have."""

import logging
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException
from wiring import DEPLOYED, FEATURES, VIEW_OF, any_of, task_defaults

log = logging.getLogger(__name__)

FAMILIES = ("fraud", "credit")


@dag(
    schedule=any_of(*(assets for name in FAMILIES for assets in (DEPLOYED[name], FEATURES[VIEW_OF[name]]))),
    catchup=False,
    max_active_runs=1,
    tags=["publishing", *FAMILIES],
    default_args=task_defaults("data-science"),
)
def score_batch() -> None:
    """Score the payments and the credit applications that came in last, each by the model in force.

    Runs when there are new features, or another model. The deciding code is the live job's, so the same row gets the
    same answer; what is scored lies as Parquet in the object store, one leaf of evidence a batch and model. Scored
    before: nothing happens. No model in force: nothing to do.
    """

    @task
    def score() -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from ledgerline.decisions.deployment import current
        from pipelines.publishing.score_batch import score_newest_batch

        ledger = Ledger.open()
        deployed = [name for name in FAMILIES if current(ledger, name)]
        if not deployed:
            raise AirflowSkipException("no model is in force")
        scored = {name: score_newest_batch(ledger, name, progress=log.info) for name in deployed}
        return {name: {"scored_batch": batch.id, "rows": batch.rows} for name, batch in scored.items()}

    score()


score_batch()
