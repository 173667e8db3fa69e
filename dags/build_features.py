"""Accepted data becomes feature versions."""

import logging
from typing import Any

from airflow.sdk import dag, task
from wiring import ACCEPTED, FEATURES, NEWLY_BUILT, WORKSPACE_POOL, any_of, task_defaults

log = logging.getLogger(__name__)


@dag(
    schedule=any_of(*ACCEPTED.values()),
    catchup=False,
    max_active_runs=1,
    tags=["features"],
    default_args=task_defaults("data-engineering"),
)
def build_features() -> None:
    """Build and seal every view that is due.

    1. **due**: the views of which every source stands accepted, with other rows than their newest version was built
       from. A dataset of which more stands accepted than was published is still coming in: its views wait for the event
       that ends that.
    2. **build**, mapped over them: computes only what something new can influence, one task at a time in the DVC
       workspace (pool `workspace`), and publishes the view's asset. Its `train_*` DAG follows.

    The same inputs give the same version.
    """

    @task(inlets=list(ACCEPTED.values()))
    def due(inlet_events: Any = None, dag_run: Any = None) -> list[str]:
        from ingestion import accepted_now, last_published

        from feature_store.views import view_named
        from ledgerline.audit import Ledger
        from pipelines import features

        ledger = Ledger.open()
        views = list(features.due_views(ledger))
        if dag_run.run_type != "manual":
            sources = {view: [contract.name for contract in view_named(view).sources] for view in views}
            moving = {
                name
                for name in {source for names in sources.values() for source in names}
                if accepted_now(ledger, name)["receipts"] != (last_published(inlet_events[ACCEPTED[name]]) or NOTHING)
            }
            for view in [view for view in views if moving & set(sources[view])]:
                log.info("%s waits: %s is still coming in", view, ", ".join(sorted(moving & set(sources[view]))))
                views.remove(view)
        log.info("due: %s", ", ".join(views) or "nothing")
        return views

    @task(pool=WORKSPACE_POOL, outlets=[NEWLY_BUILT])
    def build(view: str, outlet_events: Any = None) -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from pipelines import features

        version = features.build(Ledger.open(), view, progress=log.info)
        extra = {"feature_version": version.id, "rows": version.rows}
        outlet_events[NEWLY_BUILT].add(FEATURES[view], extra=extra)
        return {**extra, "view": view, "tag": version.tag, "partitions": version.partitions, "built": version.built}

    build.expand(view=due())


# The hash over no receipts at all: a source without the dataset has nothing to publish.
NOTHING = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"

build_features()
