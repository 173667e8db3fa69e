"""Credit: from an application to a probability of default, a score, a decision and its reasons."""

from ledgerline.decisions.credit.answer import Decision, judge_again, judge_application, judge_frame
from ledgerline.decisions.credit.calibration import Calibration
from ledgerline.decisions.credit.encoding import ApplicationRefused, Encoding
from ledgerline.decisions.credit.inputs import Attribute, AttributeKind, CreditInputs, portfolio_of
from ledgerline.decisions.credit.model import FAMILY, CreditModel, CreditScore
from ledgerline.decisions.credit.policy import CreditPolicy, CreditPolicyInvalid, credit_policy
from ledgerline.decisions.credit.reasons import encode_reason_codes
from ledgerline.decisions.credit.scorecard import Scorecard

__all__ = [
    "FAMILY",
    "ApplicationRefused",
    "Attribute",
    "AttributeKind",
    "Calibration",
    "CreditInputs",
    "CreditModel",
    "CreditPolicy",
    "CreditPolicyInvalid",
    "CreditScore",
    "Decision",
    "Encoding",
    "Scorecard",
    "credit_policy",
    "encode_reason_codes",
    "judge_again",
    "judge_application",
    "judge_frame",
    "portfolio_of",
]
