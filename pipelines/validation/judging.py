"""Judge one landed batch: which rows enter, which do not and why, and whether the batch as a whole may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl

from ledgerline.core.contracts import AVAILABLE_AT, ColumnType, DatasetContract
from pipelines.ingestion.typed_rows import ROW_NUMBER
from pipelines.validation.examiner import Finding, examine
from pipelines.validation.facts import EarlierRows, derive
from pipelines.validation.landed import LandedRows, within_calendar
from pipelines.validation.suites import Rule, Severity, Suite

BATCH_BLOCKED = "batch_blocked"
QUARANTINED_SHARE = "quarantined_share"
_SAID = ("column", "reason", "value")  # what a quarantined row says of itself
_EXAMPLES = 5
_NO_INSTANTS = pl.DataFrame(schema={"instant": pl.Datetime("us", "UTC")})
_INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"


class Verdict(StrEnum):
    """What became of a batch."""

    ACCEPTED = "accepted"  # its good rows entered
    BLOCKED = "blocked"  # none of its rows entered


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judged batch; every landed row is in exactly one of ``accepted`` and ``quarantined``.

    Attributes:
        verdict: What became of the batch.
        blocked_by: Why it was blocked: codes of whole-table expectations, or ``quarantined_share``.
        accepted: ``row_number`` and the contract's columns, in landed order.
        quarantined: ``row_number``, ``column``, ``reason``, ``value`` and the contract's columns, by row number.
        warnings: Failed expectations that let rows pass: code and how many rows (1 for the whole table).
        examples: For each of those codes the keys of the first rows, e.g. ``AGFS 2016-11-09T21:00:00Z``.
        findings: What GX found, in the suite's order.
        holds_from: The latest instant of the suite's ``as_of`` columns that ``as_of`` covers; None if none.
        holds_until: The earliest one that it does not cover; None if none. For any ``as_of`` from ``holds_from`` and
            before ``holds_until`` the judgement would be the same.
    """

    verdict: Verdict
    blocked_by: tuple[str, ...]
    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    warnings: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]
    findings: tuple[Finding, ...]
    holds_from: datetime | None
    holds_until: datetime | None

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows are quarantined for which reason."""
        return dict(self.quarantined.group_by("reason").len().sort("reason").iter_rows())


def judge(landed: LandedRows, suite: Suite, earlier: EarlierRows, *, as_of: datetime) -> Judgement:
    """Judge a landed batch by its dataset's committed suite.

    The landed columns are examined first; then the facts about keys, which are derived from the rows that passed. A
    row's reason is the first critical expectation, in the suite's order, that it fails.

    Args:
        landed: The batch.
        suite: Its dataset's suite.
        earlier: What was accepted before it.
        as_of: The last instant that the data can know of.

    Raises:
        ExaminationFailed: GX could not compute an expectation.
    """
    asked = [rule for rule in suite.rules if not (rule.about_facts or _is_passed_over(rule, landed.contract))]
    on_columns = examine(suite, asked, landed.rows, as_of=as_of, starts=landed.starts)
    eligible = ~landed.rows[ROW_NUMBER].is_in(_failing(on_columns, landed.contract)[ROW_NUMBER].implode())
    facts = derive(landed.rows, eligible, earlier, landed.contract)
    on_facts = examine(suite, [rule for rule in suite.rules if rule.about_facts], facts, as_of=as_of)
    order = {rule.id: position for position, rule in enumerate(suite.rules)}
    findings = tuple(sorted([*on_columns, *on_facts], key=lambda finding: order[finding.rule.id]))

    quarantined = _quarantine(landed, _failing(findings, landed.contract))
    blocked_by = _blocked_by(findings, quarantined["reason"], landed.count, suite)
    if blocked_by:
        quarantined = _quarantine_all(landed, quarantined)
    covered, uncovered = _as_of_bounds(landed.rows, suite.as_of_columns, as_of)
    return Judgement(
        verdict=Verdict.BLOCKED if blocked_by else Verdict.ACCEPTED,
        blocked_by=blocked_by,
        accepted=landed.rows.join(quarantined, on=ROW_NUMBER, how="anti", maintain_order="left"),
        quarantined=quarantined,
        warnings=_warnings(findings),
        examples=_examples(findings, landed),
        findings=findings,
        holds_from=covered,
        holds_until=uncovered,
    )


def _failing(findings: Sequence[Finding], contract: DatasetContract) -> pl.DataFrame:
    """Return ``row_number, column, reason`` of every row that fails something critical, by the first of it."""
    failing = [pl.DataFrame(schema={ROW_NUMBER: pl.Int64, "column": pl.String, "reason": pl.String})]
    for finding in findings:
        if finding.rule.severity is Severity.CRITICAL and finding.rows is not None:
            rows = pl.DataFrame({ROW_NUMBER: finding.rows}, schema={ROW_NUMBER: pl.Int64})
            failing.append(rows.with_columns(column=pl.lit(finding.rule.column), reason=pl.lit(finding.rule.code)))
    return pl.concat(failing).unique(ROW_NUMBER, keep="first", maintain_order=True)


def _quarantine(landed: LandedRows, failing: pl.DataFrame) -> pl.DataFrame:
    """Return the quarantined rows: those that ``failing`` names, and those that could not be read."""
    own = own_names(landed.contract)
    rows = landed.rows.rename(own).join(failing, on=ROW_NUMBER, how="inner", maintain_order="left")
    value = pl.coalesce(
        pl.lit(None, pl.String),
        *(
            pl.when(pl.col("column") == name).then(_as_text(landed.contract, name, own.get(name, name)))
            for name in landed.contract.column_names
        ),
    )
    readable = rows.with_columns(value=value)
    return (
        pl.concat([readable, landed.unreadable], how="diagonal")
        .select(ROW_NUMBER, *_SAID, *(own.get(name, name) for name in landed.contract.column_names))
        .sort(ROW_NUMBER)
    )


def own_names(contract: DatasetContract) -> dict[str, str]:
    """Return other names for the contract's columns that are called as what a quarantined row says of itself."""
    return {name: f"row_{name}" for name in contract.column_names if name in _SAID}


def _quarantine_all(landed: LandedRows, quarantined: pl.DataFrame) -> pl.DataFrame:
    """Add the rows that have nothing wrong with them but their batch."""
    others = (
        landed.rows.rename(own_names(landed.contract))
        .join(quarantined, on=ROW_NUMBER, how="anti")
        .with_columns(reason=pl.lit(BATCH_BLOCKED))
    )
    return pl.concat([quarantined, others], how="diagonal").sort(ROW_NUMBER)


def _as_text(contract: DatasetContract, name: str, called: str) -> pl.Expr:
    types = {column.name: column.type for column in contract.columns}
    column = pl.col(called)
    return column.dt.strftime(_INSTANT_FORMAT) if types[name] is ColumnType.INSTANT else column.cast(pl.String)


def _blocked_by(findings: Sequence[Finding], reasons: pl.Series, landed: int, suite: Suite) -> tuple[str, ...]:
    """Return why the batch may not enter, or nothing."""
    codes = [
        finding.rule.code
        for finding in findings
        if finding.rule.severity is Severity.CRITICAL and finding.rows is None and not finding.success
    ]
    set_aside = int(reasons.is_in(list(suite.not_counted)).sum())
    if len(reasons) - set_aside > suite.max_quarantined_share * (landed - set_aside):
        codes.append(QUARANTINED_SHARE)
    return tuple(codes)


def _warnings(findings: Sequence[Finding]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in findings:
        if finding.rule.severity is not Severity.CRITICAL:
            failing = int(not finding.success) if finding.rows is None else len(finding.rows)
            if failing:
                counts[finding.rule.code] = counts.get(finding.rule.code, 0) + failing
    return counts


def _examples(findings: Sequence[Finding], landed: LandedRows) -> dict[str, tuple[str, ...]]:
    """Return for each warning's code the keys of its first rows, so that a reader meets names and not only counts."""
    named: dict[str, list[str]] = {}
    for finding in findings:
        if finding.rule.severity is Severity.CRITICAL or finding.rows is None or not len(finding.rows):
            continue
        names = named.setdefault(finding.rule.code, [])
        if (wanted := _EXAMPLES - len(names)) > 0:
            first = pl.DataFrame({ROW_NUMBER: finding.rows[:wanted]}, schema={ROW_NUMBER: pl.Int64})
            rows = landed.rows.join(first, on=ROW_NUMBER, how="semi")
            keys = [name for name in landed.contract.key if name != AVAILABLE_AT.name]
            texts = rows.select(pl.concat_str([_as_text(landed.contract, key, key) for key in keys], separator=" "))
            names += texts.to_series().drop_nulls().to_list()
    return {code: tuple(names) for code, names in named.items()}


def _is_passed_over(rule: Rule, contract: DatasetContract) -> bool:
    """Whether the expectation is about a column that only other lenders have."""
    return rule.if_present and rule.column not in contract.column_names


def _as_of_bounds(
    rows: pl.DataFrame, columns: Sequence[str], as_of: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return the latest instant that ``as_of`` covers and the earliest that it does not."""
    instants = pl.concat([rows.select(instant=within_calendar(pl.col(name))) for name in columns] or [_NO_INSTANTS])
    covered = pl.col("instant") <= as_of
    found = instants.select(
        covered=pl.col("instant").filter(covered).max(), uncovered=pl.col("instant").filter(~covered).min()
    )
    return found.row(0)
