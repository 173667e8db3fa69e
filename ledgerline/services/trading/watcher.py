"""Which price model decides: the deployment in force, loaded aside and swapped in; or why none does."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from ledgerline.audit import Kind, Ledger
from ledgerline.decisions.deployment import Deployment, DeploymentChanged, current
from ledgerline.decisions.trading import FAMILY
from ledgerline.services.refusal_codes import refusal_code
from ledgerline.services.trading.metrics import TradingMetrics
from ledgerline.services.trading.serving import PriceServing, load_price_serving

NO_DEPLOYMENT = "no_deployment"
MODEL_REFUSED = "model_refused"
APPROVAL_LAPSED = "approval_lapsed"

_LOOK_AGAIN = timedelta(seconds=30)  # what was refused may be repaired: an object restored, a policy corrected

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why there is no model to decide with.

    Attributes:
        code: For programs.
        message: For people.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class _Refused:
    deployment: str
    obstacle: Obstacle
    at: datetime


class PriceWatcher:
    """Looks for the deployment in force whenever it is asked to.

    Args:
        ledger: The installation.
        metrics: Told about what is loaded and refused.
    """

    def __init__(self, ledger: Ledger, metrics: TradingMetrics) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._serving: PriceServing | None = None
        self._refused: _Refused | None = None

    @property
    def serving(self) -> PriceServing | None:
        """What was loaded last."""
        return self._serving

    @property
    def refused(self) -> Obstacle | None:
        """Why the newest deployment is not the one that decides, while it is not."""
        return self._refused.obstacle if self._refused else None

    def look(self) -> PriceServing | Obstacle:
        """Return the model that decides now, or why none does.

        A deployment that is refused leaves the one before it in place.
        """
        now = self._ledger.clock.now()
        try:
            deployment = current(self._ledger, FAMILY)
            if (
                deployment is not None
                and not self._is_loaded(deployment)
                and not self._just_refused(deployment.id, now)
            ):
                self._load(deployment, now)
        except DeploymentChanged as changed:
            if not self._just_refused(changed.deployment, now):
                self._refuse(changed.deployment, changed, now)
            deployment = None
        return self._answer(deployment, now)

    def _answer(self, deployment: Deployment | None, now: datetime) -> PriceServing | Obstacle:
        serving = self._serving
        if serving is not None and now >= serving.approved_until:
            return Obstacle(APPROVAL_LAPSED, f"{serving.name}: an approval has lapsed; sign for it again")
        if serving is not None:
            return serving
        if self._refused is not None:
            return self._refused.obstacle
        return no_model(self._ledger) if deployment is None else Obstacle("loading", "the deployment is being loaded")

    def _is_loaded(self, deployment: Deployment) -> bool:
        same = self._serving is not None and self._serving.deployment.id == deployment.id
        if same:
            self._refused = None
        return same

    def _just_refused(self, deployment: str, now: datetime) -> bool:
        known = self._refused
        return known is not None and known.deployment == deployment and now < known.at + _LOOK_AGAIN

    def _load(self, deployment: Deployment, now: datetime) -> None:
        try:
            self._serving = load_price_serving(self._ledger, deployment)
        except SQLAlchemyError:
            raise
        except Exception as error:
            self._refuse(deployment.id, error, now)
            return
        self._refused = None
        self._metrics.loaded(digest=deployment.bundle, model=self._serving.name, deployment=deployment.id)
        _log.info("%s (bundle %s) decides, by deployment %s", self._serving.name, deployment.bundle, deployment.id)

    def _refuse(self, deployment: str, error: Exception, now: datetime) -> None:
        code = refusal_code(error)
        self._refused = _Refused(deployment, Obstacle(code, f"deployment {deployment[:12]} is refused: {error}"), now)
        self._metrics.refused(code)
        goes_on = f"{self._serving.name} goes on" if self._serving else "nothing decides"
        _log.error("deployment %s is refused (%s), %s: %s", deployment, code, goes_on, error)


def no_model(ledger: Ledger) -> Obstacle:
    """Say why no price model is deployed: none was trained, the gates refused it, or nobody has signed yet."""
    trained = [leaf for leaf in ledger.log.leaves(Kind.MODEL_BUNDLE) if leaf.detail.get("family") == FAMILY]
    if not trained:
        return Obstacle(NO_DEPLOYMENT, "no price model has been trained yet")
    newest = trained[-1]
    name = f"{FAMILY}@{newest.detail.get('model_version')}"
    evaluation = ledger.log.latest(Kind.EVALUATION, bundle=newest.identity["digest"])
    if evaluation is None:
        return Obstacle(NO_DEPLOYMENT, f"{name} is trained and has not been put before the gates yet")
    failed = [gate for gate in evaluation.identity["gates"] if not gate["passed"]]
    if not evaluation.identity["passed"]:
        said = "; ".join(f"{gate['gate']}: {gate['detail']}" for gate in failed)
        return Obstacle(MODEL_REFUSED, f"{name} was refused by {len(failed)} of its gates: {said}")
    return Obstacle(NO_DEPLOYMENT, f"{name} passed its gates and waits for signatures and deployment")
