"""What a credit model takes, beside its trees: the bundle's ``inputs.json``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ledgerline.core.identity import canonical_json
from ledgerline.decisions.bundle import INPUTS_FILE, Bundle, BundleRefused, RefusalReason
from ledgerline.decisions.credit.calibration import Calibration
from ledgerline.decisions.credit.encoding import Encoding
from ledgerline.decisions.credit.scorecard import Scorecard


class AttributeKind(StrEnum):
    """What an application may say about itself."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing that an application says.

    Attributes:
        kind: A number or a text.
        missing_share: In how many applications of the training it was not given, 0 to 1.
    """

    kind: AttributeKind
    missing_share: float


@dataclass(frozen=True, slots=True)
class CreditInputs:
    """Everything between an application's attributes and its score, except the view's features and the trees.

    Attributes:
        portfolio: Whose applications the model knows.
        attributes: What an application may say, by name: exactly these.
        encoding: From features to the trees' columns.
        calibration: From the trees' probability to one that holds.
        scorecard: From there to points.
    """

    portfolio: str
    attributes: Mapping[str, Attribute]
    encoding: Encoding
    calibration: Calibration
    scorecard: Scorecard

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON."""
        return canonical_json(
            {
                "portfolio": self.portfolio,
                "attributes": {
                    name: {"kind": each.kind.value, "missing_share": each.missing_share}
                    for name, each in self.attributes.items()
                },
                "numeric": list(self.encoding.numeric),
                "categorical": [
                    {"name": name, "known": list(known)} for name, known in self.encoding.categorical.items()
                ],
                "unseen": "none of the known categories",
                "calibration": self.calibration.values(),
                "scorecard": self.scorecard.values(),
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> "CreditInputs":
        """Decode what :meth:`to_bytes` made.

        Raises:
            BundleRefused: It says something else, or not enough.
        """
        try:
            body = json.loads(content)
            return cls(
                portfolio=_text(body["portfolio"]),
                attributes={_text(name): _attribute(said) for name, said in body["attributes"].items()},
                encoding=Encoding(
                    tuple(map(_text, body["numeric"])),
                    {_text(each["name"]): tuple(map(_text, each["known"])) for each in body["categorical"]},
                ),
                calibration=Calibration.of(body["calibration"]),
                scorecard=Scorecard.of(body["scorecard"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as malformed:
            raise BundleRefused(
                RefusalReason.CONTENT_UNREADABLE, f"inputs.json does not say what a credit model takes: {malformed!r}"
            ) from malformed


def portfolio_of(bundle: Bundle) -> str:
    """Return whose applications a bundle's model knows.

    Raises:
        BundleRefused: Its ``inputs.json`` does not say.
    """
    return CreditInputs.from_bytes(bundle.files[INPUTS_FILE]).portfolio


def _attribute(said: Mapping[str, Any]) -> Attribute:
    return Attribute(AttributeKind(said["kind"]), float(said["missing_share"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
