"""The log and the bytes it speaks of, opened together."""

from dataclasses import dataclass

from ledgerline.audit.log import EvidenceLog
from ledgerline.core.clock import Clock, SystemClock
from ledgerline.core.settings import Settings
from ledgerline.core.storage import ObjectStore


@dataclass(frozen=True)
class Ledger:
    """One installation's evidence: what every stage of the line takes as its first argument.

    Attributes:
        settings: The installation's settings.
        clock: What time it is, for what is recorded beside an identity; identities never hold it.
        log: The evidence log.
        objects: Immutable bytes by their SHA-256.
    """

    settings: Settings
    clock: Clock
    log: EvidenceLog
    objects: ObjectStore

    @classmethod
    def open(cls, settings: Settings | None = None, clock: Clock | None = None) -> "Ledger":
        """Open, and on first use create, the installation that ``settings`` describe."""
        settings = settings or Settings()
        clock = clock or SystemClock()
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # payments and requests are nobody else's business
        return cls(settings, clock, EvidenceLog(settings.database_url, clock), ObjectStore(settings.objects_url))
