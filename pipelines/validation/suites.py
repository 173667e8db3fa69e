"""Read the committed expectation suites: what each dataset's rows must be, and what happens when they are not.

A suite is Great Expectations' own JSON in ``great_expectations/expectations/<dataset>.json``. This module reads what
the platform needs beside GX, without loading GX:

* ``severity`` of an expectation: *critical* blocks, the row is quarantined; *warning* and *info* are recorded, and the
  row passes. A critical expectation about the whole table blocks the batch.
* ``meta.code``: the reason that is written beside a failing row.
* ``meta.column``: the column to name as the culprit; without it, the one that the expectation speaks of.
* ``meta.if_present``: the expectation holds for lenders whose files have the column, and is passed over for others.
* the suite's ``meta.max_quarantined_share``: above it, a batch is blocked whole; ``meta.not_counted``: the codes that
  do not count towards it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import content_id, sha256_bytes, source_fingerprint
from ledgerline.core.settings import Settings

AS_OF = "as_of"
STARTS = "starts"
NO_START = "0001-01-01T00:00:00.000000Z"
"""Value of the suites' ``starts`` where the feed's mapping does not say when it starts."""
ALREADY_ACCEPTED = "already_accepted"
KEY_OCCURRENCE = "key_occurrence"
FACTS = (ALREADY_ACCEPTED, KEY_OCCURRENCE)
_JUDGING_CODE = ("expectations.py", "market_expectations.py", "examiner.py", "facts.py", "judging.py")


class SuiteUnusable(LedgerlineError):
    """A dataset's committed suite is missing or lacks what the platform needs."""


class Severity(StrEnum):
    """What failing an expectation leads to; GX's own field and values."""

    CRITICAL = "critical"  # block: the row, or for a whole-table expectation the batch, does not enter
    WARNING = "warning"  # warn: recorded, the row enters
    INFO = "info"  # as a warning


@dataclass(frozen=True, slots=True)
class Rule:
    """One committed expectation.

    Attributes:
        id: Its id in the suite.
        code: The reason written beside rows that fail it.
        severity: What failing it leads to.
        column: The column named as the culprit; None for the whole table.
        about_facts: Whether it judges a fact that the platform derives (:data:`FACTS`), not a landed column.
        if_present: Whether it is passed over where the landed rows lack the column.
        document: The expectation as committed.
    """

    id: str
    code: str
    severity: Severity
    column: str | None
    about_facts: bool
    if_present: bool
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Suite:
    """A dataset's committed suite.

    Attributes:
        dataset: The dataset, and the suite's name.
        rules: Its expectations in committed order: the first that a row fails gives the reason.
        max_quarantined_share: Above this share of quarantined rows a batch is blocked whole.
        not_counted: Codes that do not count towards the share.
        as_of_columns: The columns that are compared with the ``as_of`` parameter.
        fingerprint: SHA-256 over the committed bytes and over the code that judges by them.
        document: The suite as committed.
    """

    dataset: str
    rules: tuple[Rule, ...]
    max_quarantined_share: float
    not_counted: frozenset[str]
    as_of_columns: tuple[str, ...]
    fingerprint: str
    document: Mapping[str, Any]


def suite_path(settings: Settings, dataset: str) -> Path:
    """Return where a dataset's suite is committed."""
    return settings.project / "great_expectations" / "expectations" / f"{dataset}.json"


def read_suite(settings: Settings, dataset: str) -> Suite:
    """Read a dataset's committed suite.

    Raises:
        SuiteUnusable: It is missing, is not JSON, or an expectation lacks its id or code.
    """
    path = suite_path(settings, dataset)
    try:
        content = path.read_bytes()
        document = json.loads(content)
        rules = tuple(_rule(entry) for entry in document["expectations"])
        share = float(document["meta"]["max_quarantined_share"])
    except FileNotFoundError as missing:
        raise SuiteUnusable(f"{dataset} has no expectation suite; commit one as {path}") from missing
    except (KeyError, TypeError, ValueError) as broken:
        raise SuiteUnusable(f"{path} cannot be used: {broken!r}; see {__name__} for what it must hold") from broken
    if len({rule.id for rule in rules}) != len(rules):
        raise SuiteUnusable(f"{path} gives one id to several expectations")
    return Suite(
        dataset=dataset,
        rules=rules,
        max_quarantined_share=share,
        not_counted=frozenset(document["meta"].get("not_counted", ())),
        as_of_columns=tuple(sorted({str(rule.column) for rule in rules if _compares_as_of(rule)})),
        fingerprint=content_id(
            {"suite": sha256_bytes(content), "rules": _judging_code(), "library": version("great-expectations")}
        ),
        document=document,
    )


def with_parameters(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Return a committed expectation with every ``{"$PARAMETER": name}`` in it replaced."""
    if isinstance(value, Mapping):
        if set(value) == {"$PARAMETER"}:
            return parameters.get(value["$PARAMETER"], value)
        return {name: with_parameters(inner, parameters) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_parameters(inner, parameters) for inner in value]
    return value


def _rule(entry: Mapping[str, Any]) -> Rule:
    kwargs, meta = entry["kwargs"], entry["meta"]
    judged = kwargs.get("column") or kwargs.get("column_A")
    return Rule(
        id=entry["id"],
        code=meta["code"],
        severity=Severity(entry["severity"]),
        column=meta.get("column") or judged,
        about_facts=judged in FACTS,
        if_present=meta.get("if_present", False),
        document=entry,
    )


def _compares_as_of(rule: Rule) -> bool:
    return {"$PARAMETER": AS_OF} in rule.document["kwargs"].values()


def _judging_code() -> str:
    here = Path(__file__).parent
    return source_fingerprint(here / name for name in _JUDGING_CODE)
