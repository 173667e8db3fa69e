"""Reason codes: what a feature's push towards fraud is called when somebody has to be told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledgerline.core.identity import canonical_json
from ledgerline.decisions.bundle import BundleRefused, RefusalReason


@dataclass(frozen=True, slots=True)
class ReasonCode:
    """What one feature is called.

    Attributes:
        code: Stable short code for reports and filters, e.g. ``"F01"``.
        text: One line for the analyst who reads the alert.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's part in one score.

    Attributes:
        code: The reason code.
        text: What it says.
        feature: The feature.
        value: The feature's value in this payment, in its own unit.
        contribution: What it added to the score, in log-odds; positive pushed towards fraud.
    """

    code: str
    text: str
    feature: str
    value: float
    contribution: float


REASON_CODES: Mapping[str, ReasonCode] = {
    "amount": ReasonCode("F01", "amount of this payment"),
    "is_weekend": ReasonCode("F02", "payment on a weekend"),
    "is_night": ReasonCode("F03", "payment at night"),
    "customer_count_1d": ReasonCode("F04", "card's number of payments in the last day"),
    "customer_mean_amount_1d": ReasonCode("F05", "card's mean amount in the last day"),
    "customer_count_7d": ReasonCode("F06", "card's number of payments in the last 7 days"),
    "customer_mean_amount_7d": ReasonCode("F07", "card's mean amount in the last 7 days"),
    "customer_count_30d": ReasonCode("F08", "card's number of payments in the last 30 days"),
    "customer_mean_amount_30d": ReasonCode("F09", "card's mean amount in the last 30 days"),
    "terminal_count_1d": ReasonCode("F10", "terminal's number of payments in one day, a week ago"),
    "terminal_risk_1d": ReasonCode("F11", "terminal's share of fraud in one day, a week ago"),
    "terminal_count_7d": ReasonCode("F12", "terminal's number of payments in 7 days, up to a week ago"),
    "terminal_risk_7d": ReasonCode("F13", "terminal's share of fraud in 7 days, up to a week ago"),
    "terminal_count_30d": ReasonCode("F14", "terminal's number of payments in 30 days, up to a week ago"),
    "terminal_risk_30d": ReasonCode("F15", "terminal's share of fraud in 30 days, up to a week ago"),
}


def encode_reason_codes(features: Sequence[str]) -> bytes:
    """Encode the codes of ``features`` as the bundle's ``reason_codes.json``.

    Raises:
        KeyError: A feature has no code yet; give it one in ``REASON_CODES``.
    """
    return canonical_json(
        {name: {"code": REASON_CODES[name].code, "text": REASON_CODES[name].text} for name in features}
    )


def decode_reason_codes(content: bytes, features: Sequence[str]) -> Mapping[str, ReasonCode]:
    """Decode a bundle's ``reason_codes.json``.

    Raises:
        BundleRefused: It does not name a code for each of ``features``.
    """
    try:
        body = json.loads(content)
        return {name: ReasonCode(str(body[name]["code"]), str(body[name]["text"])) for name in features}
    except (ValueError, KeyError, TypeError) as malformed:
        raise BundleRefused(
            RefusalReason.CONTENT_UNREADABLE, f"reason_codes.json has no code for every feature: {malformed!r}"
        ) from malformed
