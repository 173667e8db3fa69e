"""Reason codes: what an application's factors are called when a person has to be told why.

Regulation B asks for the specific principal reasons, of factors that were actually scored (12 CFR 1002.9(b)(2)); its
official interpretation finds more than four of no use. One code stands for one input: the columns of one category are
one factor. A protected attribute is no input, so it can be no reason.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ledgerline.core.identity import canonical_json
from ledgerline.decisions.bundle import BundleRefused, RefusalReason


class Direction(StrEnum):
    """Which way a factor pushed."""

    ADVERSE = "adverse"  # towards default
    FAVOURABLE = "favourable"


@dataclass(frozen=True, slots=True)
class ReasonCode:
    """What one input is called.

    Attributes:
        code: Stable short code, e.g. ``"C04"``.
        text: For the applicant, after "because of".
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Factor:
    """One input's part in one score.

    Attributes:
        code: The reason code.
        text: What it says.
        input: The input.
        value: What the application says about it; None where it is not known.
        contribution: What it added to the log-odds of default, against the mean of the training.
    """

    code: str
    text: str
    input: str
    value: float | str | None
    contribution: float

    @property
    def direction(self) -> Direction:
        """Which way it pushed."""
        return Direction.ADVERSE if self.contribution > 0 else Direction.FAVOURABLE


# What lenders commonly ask, by the names that mappings give it.
_COMMON = {
    "age": "age",
    "income": "income",
    "employment_years": "length of employment",
    "debt_to_income": "debts in relation to income",
    "loan_amount": "amount of the loan applied for",
    "loan_term_months": "term of the loan applied for",
    "purpose": "purpose of the loan",
    "credit_score": "credit score at the bureau",
    "history_years": "length of credit history",
    "accounts": "number of credit accounts",
    "total_limit": "total of credit limits",
    "utilisation": "share of credit limits in use",
    "payment_history": "share of instalments paid on time",
    "derogatory_marks": "derogatory marks on the credit record",
    "bankruptcies": "bankruptcies on record",
    "months_since_delinquency": "time since the last delinquency",
    "months_since_inquiry": "time since the last credit inquiry",
    "months_since_bankruptcy": "time since the last bankruptcy",
    "inquiries_6m": "number of credit inquiries in six months",
    "account_diversity": "mix of kinds of credit",
    "average_account_years": "average age of credit accounts",
    "worst_delinquency": "severity of past delinquencies",
    "housing": "housing: rented, mortgaged or owned",
    "income_to_loan": "income in relation to the loan applied for",
    "employment_stability": "length of employment in relation to working life",
    "credit_density": "number of accounts in relation to length of credit history",
    "income_x_score": "income together with the credit score at the bureau",
    "dti_x_utilisation": "debts in relation to income together with limits in use",
}
# Credit cards in Taiwan, 2005 (UCI 350): months count back from September.
_CARDS = {
    "LIMIT_BAL": "amount of credit granted before",
    "EDUCATION": "education",
    **{
        name: f"delay of repayment {when}"
        for name, when in zip(
            ("PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6"),
            (
                "last month",
                "two months ago",
                "three months ago",
                "four months ago",
                "five months ago",
                "six months ago",
            ),
            strict=True,
        )
    },
    **{f"BILL_AMT{number}": f"amount of the bill {number} months back" for number in range(1, 7)},
    **{f"PAY_AMT{number}": f"amount paid {number} months back" for number in range(1, 7)},
}
# Statlog German credit (UCI 144).
_INSTALMENTS = {
    "status_account": "balance of the checking account",
    "duration_months": "term of the loan applied for",
    "credit_history": "past and other credits",
    "credit_amount": "amount of the loan applied for",
    "savings": "balance of savings",
    "employment_since": "length of present employment",
    "installment_rate": "instalment in relation to income",
    "other_debtors": "co-applicants or guarantors",
    "residence_since": "length of present residence",
    "property": "property owned",
    "other_installment_plans": "other instalment plans",
    "existing_credits": "number of credits at this bank",
    "job": "occupation",
    "people_liable": "number of dependants",
    "telephone": "telephone on record",
}
# US mortgages of 2018 (HMDA), standardised amounts.
_MORTGAGES = {
    "term_360": "term of 360 months",
    "conforming": "conforming loan",
    "debt_to_income_ratio_missing": "debts in relation to income not stated",
    "loan_amount_std": "amount of the loan applied for",
    "loan_to_value_ratio_std": "loan in relation to the property's value",
    "no_intro_rate_period_std": "no introductory rate period",
    "intro_rate_period_std": "length of the introductory rate period",
    "property_value_std": "value of the property",
    "income_std": "income",
    "debt_to_income_ratio_std": "debts in relation to income",
}


def _numbered(prefix: str, texts: Mapping[str, str]) -> dict[str, ReasonCode]:
    return {name: ReasonCode(f"{prefix}{number:02d}", text) for number, (name, text) in enumerate(texts.items(), 1)}


REASON_CODES: Mapping[str, ReasonCode] = {
    **_numbered("C", _COMMON),
    **_numbered("K", _CARDS),
    **_numbered("L", _INSTALMENTS),
    **_numbered("M", _MORTGAGES),
}


def reason_code(name: str) -> ReasonCode:
    """Return an input's code; a lender's own input, which has none, is called by its name."""
    return REASON_CODES.get(name) or ReasonCode(f"X_{name}", name.replace("_", " ").strip() or name)


def encode_reason_codes(inputs: Sequence[str]) -> bytes:
    """Encode the codes of a model's inputs as the bundle's ``reason_codes.json``."""
    codes = {name: reason_code(name) for name in inputs}
    return canonical_json({name: {"code": each.code, "text": each.text} for name, each in codes.items()})


def decode_reason_codes(content: bytes, inputs: Sequence[str]) -> Mapping[str, ReasonCode]:
    """Decode a bundle's ``reason_codes.json``.

    Raises:
        BundleRefused: It does not name a code for each of ``inputs``.
    """
    try:
        body = json.loads(content)
        return {name: ReasonCode(str(body[name]["code"]), str(body[name]["text"])) for name in inputs}
    except (ValueError, KeyError, TypeError) as malformed:
        raise BundleRefused(
            RefusalReason.CONTENT_UNREADABLE, f"reason_codes.json has no code for every input: {malformed!r}"
        ) from malformed
