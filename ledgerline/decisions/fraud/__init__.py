"""Fraud: from a payment's features to a probability, an alert and its reasons."""

from ledgerline.decisions.fraud.model import FAMILY, FeatureVectorRefused, FraudModel, FraudScore
from ledgerline.decisions.fraud.reasons import REASON_CODES, Reason, ReasonCode, encode_reason_codes

__all__ = [
    "FAMILY",
    "REASON_CODES",
    "FeatureVectorRefused",
    "FraudModel",
    "FraudScore",
    "Reason",
    "ReasonCode",
    "encode_reason_codes",
]
