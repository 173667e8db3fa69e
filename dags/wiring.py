"""What the DAG files share: the assets that tie them together, and how their tasks are retried.

Not a DAG file itself (`.airflowignore`). A misspelt asset would be an edge that silently leads nowhere: they stand here
once.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    AssetAlias,
    AssetAny,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
)

from ledgerline.core.contracts import CONTRACTS

# Which view each family is trained on; params.yaml says the same, and a test holds the two together.
VIEW_OF = {
    "fraud": "card_spending",
    "credit": "credit_application",
    "forecast": "ledger_monthly",
    "price": "equity_daily",
}

# One a dataset. The events' `extra`: as_of, receipts (one hash over their ids), batches, rows.
ACCEPTED = {name: Asset(f"accepted/{name}") for name in CONTRACTS}
# extra: feature_version, rows
FEATURES = {view: Asset(f"features/{view}") for view in VIEW_OF.values()}
# extra: bundle
MODELS = {family: Asset(f"models/{family}") for family in VIEW_OF}
# extra: bundle, deployment
DEPLOYED = {family: Asset(f"deployed/{family}") for family in VIEW_OF}
# extra: exceeded, the sentences that say what
ALERTS = Asset("alerts/models")

# Through these a task publishes some of its assets, and says at run time which.
NEWLY_ACCEPTED = AssetAlias("accepted")
NEWLY_BUILT = AssetAlias("features")
NEW_ALERTS = AssetAlias("alerts")


# One slot: the git clone in which DVC versions data is worked in by one task at a time.
WORKSPACE_POOL = "workspace"

# What Ledgerline itself refuses stays refused; a full disk, a busy database or a lost connection may pass.
_REFUSALS_ARE_FINAL = ExceptionRetryPolicy([RetryRule("ledgerline.core.errors.LedgerlineError", RetryAction.FAIL)])


def every_day(cron: str) -> CronTriggerTimetable:
    """Return the schedule of one run a day, for the day before; a new installation makes up for no run that it missed.

    ``run_immediately=False`` would still start yesterday's run within a tenth of a day.
    """
    return CronTriggerTimetable(cron, timezone="UTC", interval=timedelta(days=1), run_immediately=timedelta(0))


def any_of(*assets: Asset) -> AssetAny:
    """Return the condition that any one of several assets was published."""
    return AssetAny(*assets)


def task_defaults(owner: str) -> dict[str, Any]:
    """Return the `default_args` of a DAG whose tasks `owner` answers for."""
    return {
        "owner": owner,
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=5),
        "retry_policy": _REFUSALS_ARE_FINAL,
    }
