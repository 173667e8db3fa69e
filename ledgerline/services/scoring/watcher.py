"""Watch for a family's deployments: load a new one aside, and swap it in only when everything about it holds."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from ledgerline.audit import Ledger
from ledgerline.decisions.deployment import Deployment, DeploymentChanged, current
from ledgerline.services.refusal_codes import refusal_code
from ledgerline.services.scoring.decider import Decider
from ledgerline.services.scoring.metrics import ScoringMetrics
from ledgerline.services.scoring.serving import Serving

STARTING = "starting"
NO_DEPLOYMENT = "no_deployment"
LOADING = "loading"

_LOOK_AGAIN = timedelta(seconds=30)  # what was refused may be repaired: an object restored, a policy corrected

_log = logging.getLogger(__name__)

Load = Callable[..., Serving]
"""``load(ledger, deployment, beside=…)``: what a family makes of a deployment, or why it refuses it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A deployment that does not answer.

    Attributes:
        deployment: Its leaf id.
        code: Why.
        message: For people.
        at: When it was found out, UTC.
    """

    deployment: str
    code: str
    message: str
    at: datetime


class DeploymentWatcher:
    """Looks for one family's deployment in force, once a second, on its own thread.

    Args:
        ledger: The installation.
        family: Whose deployments.
        load: How they are loaded.
        decider: Where a good deployment is swapped in.
        metrics: Told about what is loaded and refused.
        loading: Held while a deployment is loaded: what all watchers share, so that one loads at a time.
        every: Pause between two looks.
    """

    def __init__(
        self,
        ledger: Ledger,
        family: str,
        load: Load,
        decider: Decider,
        metrics: ScoringMetrics,
        *,
        loading: threading.Lock,
        every: timedelta = timedelta(seconds=1),
    ) -> None:
        self._ledger = ledger
        self._family = family
        self._load_deployment = load
        self._loading = loading
        self._decider = decider
        self._metrics = metrics
        self._every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{family}-watcher", daemon=True)
        self._refused: Refused | None = None
        self._code = STARTING

    @property
    def refused(self) -> Refused | None:
        """The newest deployment, while it is refused."""
        return self._refused

    @property
    def code(self) -> str:
        """Why nothing answers, while nothing does."""
        return self._refused.code if self._refused else self._code

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the look that is under way."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except SQLAlchemyError as unreadable:
                _log.warning("the evidence log cannot be read just now: %s", unreadable)
            except Exception:
                _log.exception("looking for a deployment failed; the present one goes on")
            self._stopping.wait(self._every.total_seconds())

    def _look(self) -> None:
        try:
            deployment = current(self._ledger, self._family)
        except DeploymentChanged as changed:
            now = self._ledger.clock.now()
            if not self._was_just_refused(changed.deployment, now):
                self._refuse(changed.deployment, changed, now)
            return
        if deployment is None:
            self._code = NO_DEPLOYMENT
            return
        serving = self._decider.serving(self._family)
        if serving is not None and serving.deployment.id == deployment.id and not serving.is_outdated(self._ledger):
            if self._refused:
                self._refused = None
                self._metrics.newest_answers(self._family)
            return
        now = self._ledger.clock.now()
        if not self._was_just_refused(deployment.id, now):
            self._load(deployment, now)

    def _was_just_refused(self, deployment: str, now: datetime) -> bool:
        known = self._refused
        return known is not None and known.deployment == deployment and now < known.at + _LOOK_AGAIN

    def _load(self, deployment: Deployment, now: datetime) -> None:
        self._code = LOADING
        try:
            with self._loading, _long_lived_objects():
                beside = self._decider.serving(self._family)
                serving = self._load_deployment(self._ledger, deployment, beside=beside)
        except SQLAlchemyError:
            raise
        except Exception as error:
            self._refuse(deployment.id, error, now)
            return
        self._decider.install(serving)
        self._refused = None
        self._metrics.loaded(
            self._family,
            digest=serving.digest,
            model=serving.name,
            deployment=deployment.id,
            approved_until=serving.approved_until,
        )
        _log.info("%s (bundle %s) answers, by deployment %s", serving.name, serving.digest, deployment.id)

    def _refuse(self, deployment: str, error: Exception, now: datetime) -> None:
        code = refusal_code(error)
        self._refused = Refused(deployment, code, str(error), now)
        self._metrics.refused(self._family, code)
        serving = self._decider.serving(self._family)
        goes_on = f"{serving.name} goes on" if serving else "nothing answers"
        _log.error("deployment %s is refused (%s), %s: %s", deployment, code, goes_on, error)


@contextmanager
def _long_lived_objects() -> Iterator[None]:
    """Keep the garbage collector from walking what is being loaded, now and later.

    Online features are hundreds of thousands of objects that live for days; a full collection stops every answer for
    as long as it takes to visit them all.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
