"""What the DAG files share: the assets that tie them together, and how their tasks are retried.

Not a DAG file itself (`.airflowignore`). A misspelt asset would be an edge that silently leads nowhere: they stand here
once.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, ExceptionRetryPolicy, RetryAction, RetryRule

from ledgerline.core.contracts import CONTRACTS, Domain

# One a dataset. The events' `extra`: as_of, receipts (one hash over their ids), batches, rows.
ACCEPTED = {name: Asset(f"accepted/{name}") for name, made in CONTRACTS.items() if made.domain is Domain.BUSINESS}
# extra: feature_version, as_of, rows
CARD_SPENDING = Asset("features/card_spending")
# extra: bundle
FRAUD_MODEL = Asset("models/fraud")

# One slot: the git clone in which DVC versions data is worked in by one task at a time.
WORKSPACE_POOL = "workspace"

# What Ledgerline itself refuses stays refused; a full disk, a busy database or a lost connection may pass.
_REFUSALS_ARE_FINAL = ExceptionRetryPolicy([RetryRule("ledgerline.core.errors.LedgerlineError", RetryAction.FAIL)])


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
