"""What the trading job shows at the venue: random for the sandbox's exchange, the owner's own elsewhere."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from ledgerline.core.settings import Settings

_BYTES = 24


@dataclass(frozen=True, slots=True)
class VenueCredentials:
    """Handed by environment to the trading job and the sandbox's exchange, to nobody else; never shown or written down.

    Attributes:
        key_id: Who.
        secret_key: Proof of it.
    """

    key_id: str = field(default_factory=lambda: secrets.token_urlsafe(_BYTES), repr=False)
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(_BYTES), repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "VenueCredentials":
        """Return the settings' credentials where there are any, otherwise random ones for this launch."""
        if settings.venue_key_id is None or settings.venue_secret_key is None:
            return cls()
        return cls(settings.venue_key_id.get_secret_value(), settings.venue_secret_key.get_secret_value())

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which a process is told."""
        return {"LEDGERLINE_VENUE_KEY_ID": self.key_id, "LEDGERLINE_VENUE_SECRET_KEY": self.secret_key}
