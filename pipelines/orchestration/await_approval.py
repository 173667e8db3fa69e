"""A task that shows a model's evidence to people and waits, without holding a worker, until they have signed."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

log = logging.getLogger(__name__)

SIGNED, REJECT = "I have signed: look again", "Reject this model"
PATIENCE = timedelta(days=7)
_POLL_SECONDS = 1.0


class AwaitApproval(HITLOperator):
    """Shows gates, figures, fairness and the command that signs; goes on once every signature is on record.

    It looks like Airflow's approval page and decides nothing: whoever may answer a page in Airflow (any task may) puts
    no model in force by that. What counts are the signatures in the evidence log, and deploying checks them again. Of
    the answers, the one looks at the log at once; the other ends the run, which is no more than leaving it unsigned.

    Args:
        judged: What the gates said: ``bundle``, ``passed``, ``refused_by``.
        family: Whose model it is.
    """

    template_fields: Sequence[str] = ("judged", "subject", "body")

    def __init__(self, *, judged: Any, family: str, **more: Any) -> None:
        super().__init__(subject=f"A {family} model waits for signatures", options=[SIGNED, REJECT], **more)
        self.judged = judged
        self.family = family

    def execute(self, context: Any) -> None:
        """Skip a refused model, with the reason; otherwise show the page and hand over to the triggerer."""
        if not self.judged["passed"]:
            raise AirflowSkipException(f"refused by the gates: {'; '.join(self.judged['refused_by'])}")
        self._wait(context)

    def resume(self, context: Any, event: dict[str, Any]) -> None:
        """Go on once signed; otherwise say why not, or wait on.

        Args:
            context: Airflow's.
            event: The trigger's, or a person's answer on the page (``chosen_options``).
        """
        if "chosen_options" in event:
            self._answered(context, event)
        elif event["outcome"] == "refused":
            raise AirflowSkipException(event["message"])
        elif event["outcome"] != "approved":
            raise AirflowFailException(f"{event['message']}; missing: {', '.join(event['missing'])}")
        else:
            log.info(event["message"])

    def _answered(self, context: Any, event: dict[str, Any]) -> None:
        from ledgerline.audit import Ledger
        from pipelines.promotion import missing_approvals

        who = event.get("responded_by_user")
        if event["chosen_options"] == [REJECT]:
            raise AirflowSkipException(f"rejected on the approval page by {who}")
        if missing := missing_approvals(Ledger.open(), self.judged["bundle"]):
            log.warning("%s answered the page, but no signature came with it; missing: %s", who, ", ".join(missing))
            self._wait(context)
        log.info("every signature that the policy asks for holds")

    def _wait(self, context: Any) -> None:
        from ledgerline.audit import Ledger
        from pipelines.orchestration.approval_page import approval_page
        from pipelines.promotion.approval_trigger import ApprovalTrigger

        digest = self.judged["bundle"]
        page = approval_page(Ledger.open(), digest)
        upsert_hitl_detail(
            ti_id=context["task_instance"].id,
            options=list(self.options),
            subject=page.subject,
            body=page.body,
            params={},
        )
        log.info("waiting for signatures: %s", page.command)
        # A moment that follows from the run, so that a second try does not start the wait over.
        deadline = context["dag_run"].run_after + PATIENCE
        self.defer(trigger=ApprovalTrigger(digest, deadline, _POLL_SECONDS), method_name="resume")
