"""Credit: a deployment and the policy that makes decisions of its scores."""

from datetime import datetime
from pathlib import Path
from typing import ClassVar

from feature_store.table_view import TableView
from ledgerline.audit import Ledger
from ledgerline.core.contracts import APPLICATIONS
from ledgerline.decisions.admission import Admitted, admit
from ledgerline.decisions.bundle import BundleRefused, RefusalReason
from ledgerline.decisions.credit import (
    FAMILY,
    ApplicationRefused,
    CreditModel,
    credit_policy,
    judge_application,
)
from ledgerline.decisions.credit.application import checked, features_of
from ledgerline.decisions.credit.policy import POLICY_FILE
from ledgerline.decisions.deployment import Deployment
from ledgerline.services.scoring.concealing import Concealing
from ledgerline.services.scoring.credit_schema import CreditRequest
from ledgerline.services.scoring.serving import Judgement, QuestionRefused, Serving, concealing_of


class CreditServing(Serving):
    """A credit deployment. An application is decided by itself: nothing is remembered.

    Args:
        deployment: As recorded.
        admitted: Its bundle.
        project: Where the credit policy lies.
        concealing: How who an application is about is kept from the record.
    """

    family: ClassVar[str] = FAMILY
    dataset: ClassVar[str] = APPLICATIONS.name
    remembers: ClassVar[bool] = False

    def __init__(
        self, deployment: Deployment, admitted: Admitted, project: Path, concealing: Concealing | None = None
    ) -> None:
        super().__init__(deployment, admitted, concealing)
        if not isinstance(admitted.view, TableView):
            raise BundleRefused(RefusalReason.FEATURES_DIFFER, f"{admitted.view.name} is no view over applications")
        self._view = admitted.view
        self._model = CreditModel.load(admitted.bundle)
        self._policy_bytes = _bytes(project)
        self._policy = credit_policy(project)

    def judge(self, question: CreditRequest, now: datetime) -> Judgement:
        """Decide an application; see :class:`Serving`.

        Raises:
            QuestionRefused: It is another portfolio's, or says what the model does not take.
        """
        portfolio, attributes = self._model.portfolio, self._model.takes.attributes
        if question.portfolio not in (None, portfolio):
            raise QuestionRefused({"portfolio": f"the deployed model decides on applications of {portfolio!r} alone"})
        try:
            said = checked(attributes, question.attributes)
        except ApplicationRefused as refused:
            fields = {f"attributes.{name}".rstrip("."): why for name, why in refused.problems.items()}
            raise QuestionRefused(fields) from refused
        event_time = question.event_time or now
        features = features_of(
            self._view,
            attributes,
            said,
            application_id=question.application_id,
            portfolio=portfolio,
            event_time=event_time,
        )
        vector = self._model.vector(features)
        judged = judge_application(self._model, self._policy, vector, said)
        event = question.event_values(portfolio=portfolio, event_time=event_time)
        return Judgement(event, vector, judged, judged["decision"])

    def is_outdated(self, ledger: Ledger) -> bool:
        """Whether the policy's file holds other bytes than when it was read."""
        return _bytes(ledger.settings.project) != self._policy_bytes


def load_credit(ledger: Ledger, deployment: Deployment, *, beside: Serving | None = None) -> CreditServing:
    """Verify a deployment's bundle and approvals, load the model and read the policy.

    Args:
        ledger: The installation.
        deployment: What is to be served.
        beside: What is served now; nothing of it is needed.

    Raises:
        BundleRefused: The bundle's bytes, format or features are not right.
        ApprovalRefused: Its approvals do not hold here and now.
        CreditPolicyInvalid: The policy does not say what it must.
    """
    environment = ledger.settings.profile.value
    admitted = admit(ledger, deployment.bundle, environment=environment, at=ledger.clock.now())
    concealing = concealing_of(ledger, CreditServing.dataset, admitted.feature_version)
    return CreditServing(deployment, admitted, ledger.settings.project, concealing)


def _bytes(project: Path) -> bytes | None:
    try:
        return (project / POLICY_FILE).read_bytes()
    except OSError:
        return None
