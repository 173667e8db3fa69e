"""Check the evidence log: every hash, root, signature, edge and name, against itself and against its witness."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit import pieces
from ledgerline.audit.finding import Finding, Problem
from ledgerline.audit.graph import EdgeType
from ledgerline.audit.leaf import Kind
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.merkle import Frontier, frontier_of
from ledgerline.audit.ranges import Asked, Check, RangeCheck
from ledgerline.audit.schema import EDGE, LEAF, NAME
from ledgerline.audit.signed_roots import SignedRoots, Trust
from ledgerline.audit.tree import LogForked, size_of, stored_tree
from ledgerline.core.errors import LedgerlineError

__all__ = [
    "Check",
    "EvidenceBroken",
    "Finding",
    "Problem",
    "Trust",
    "Verification",
    "check_log",
    "entries_holding",
]

_MOST_FINDINGS = 100


class EvidenceBroken(LedgerlineError):
    """The evidence log does not hold."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of checking.

    Attributes:
        entries: How many entries were read.
        edges: How many edges.
        checkpoints: How many signed roots were compared.
        witnessed: How many entries the newest cosigned checkpoint covers.
        witnessed_at: When it was cosigned, UTC; None without a witness.
        findings: What does not hold, by entry, the first hundred.
    """

    entries: int
    edges: int
    checkpoints: int
    witnessed: int
    witnessed_at: datetime | None
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def check_log(
    log: EvidenceLog,
    trust: Trust | None = None,
    *,
    first: int = 1,
    last: int | None = None,
    hashes_only: bool = False,
    checks: Mapping[Kind, Check] | None = None,
    grammar: Sequence[EdgeType] = (),
    progress: Callable[[int, int], None] | None = None,
    processes: int = 1,
) -> Verification:
    """Read the log and say what in it does not hold.

    A log of many entries is read by several processes where that is asked for. They say only that all of it holds
    (:mod:`ledgerline.audit.pieces` tells why that can be believed); where they do not, or one of them dies, it is read
    again by one, so that what is found does not depend on how it was read.

    Args:
        log: The evidence log.
        trust: Whom to believe; without it the log is only compared with itself.
        first: The first entry to read, from 1.
        last: The last; None reads to the end.
        hashes_only: Leave out what the entries say: only bytes, hashes, roots and the witness's copy.
        checks: More to check, by kind.
        grammar: What may be made from what, :data:`ledgerline.audit.graph.EDGES`; without it edges may be any.
        progress: Called with the entries read and to be read; begins anew where the log is read again.
        processes: How many may read side by side. More than one import the caller's main module, as Python's
            ``multiprocessing`` does, so that a script must begin under ``if __name__ == "__main__"``.
    """
    with log.reading() as connection:
        run = _Run(log, connection, trust or Trust(), first, last, hashes_only, checks or {}, grammar, progress)
        if processes > 1 and (held := run.verification_in_pieces(processes)):
            return held
        return run.verification()


def entries_holding(log: EvidenceLog, trust: Trust | None = None) -> int:
    """Check the whole log and return how many entries it has.

    Raises:
        EvidenceBroken: Naming the first that does not hold.
    """
    verification = check_log(log, trust)
    if not verification.holds:
        raise EvidenceBroken(f"the evidence log does not hold at {verification.findings[0]}")
    return verification.entries


class _Run:
    """What was asked, and the reading of it."""

    def __init__(
        self,
        log: EvidenceLog,
        connection: Connection,
        trust: Trust,
        first: int,
        last: int | None,
        hashes_only: bool,
        checks: Mapping[Kind, Check],
        grammar: Sequence[EdgeType],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.log, self.connection, self.trust = log, connection, trust
        self.size = size_of(connection)
        self.first, self.end = first, min(last or self.size, self.size)
        self.hashes_only, self.grammar = hashes_only, grammar
        self.checks: Mapping[Kind, Check] = {} if hashes_only else checks
        self._progress = progress

    def verification(self) -> Verification:
        """Read one entry after the other."""
        findings: list[Finding] = []
        roots = self._roots(findings)
        before = self._before(findings)
        part = RangeCheck(self.connection, self._asked(roots), findings, roots.holds, before, self.checks)
        for until in part.read(self.first - 1, self.end):
            self.progress(until)
            if len(findings) >= _MOST_FINDINGS:
                break
        self._look_at_the_whole(part, findings)
        return _verification(part, roots, findings)

    def verification_in_pieces(self, processes: int) -> Verification | None:
        """Read side by side; None where not everything holds, or too little is there to gain by it."""
        if not pieces.pay(self.end - self.first + 1, hashes_only=self.hashes_only):
            return None
        findings: list[Finding] = []
        roots = self._roots(findings)
        before = self._before(findings)
        if findings or before is None:
            return None
        read = pieces.read_in_pieces(self.log, self._asked(roots), roots, before, self.end, processes, self.progress)
        if read is None or not pieces.checks_hold(self.connection, self.checks, self.first, self.end):
            return None
        self._look_at_the_whole(read, findings)
        return None if findings else _verification(read, roots, findings)

    def progress(self, until: int) -> None:
        if self._progress:
            self._progress(until - self.first + 1, self.end - self.first + 1)

    def _asked(self, roots: SignedRoots) -> Asked:
        return Asked(roots.witnessed, roots.sizes, self.hashes_only, self.grammar)

    def _roots(self, findings: list[Finding]) -> SignedRoots:
        """Return what was signed, and find a log that was cut short."""
        roots, size = SignedRoots(self.connection, self.trust, self.first, findings), self.size
        if roots.largest > size:
            who = "the witness has seen" if roots.witnessed.size > size else "the log has signed for"
            detail = f"{who} {roots.largest} entries; everything after {size} is gone"
            findings.append(Finding(size + 1, Problem.MISSING, detail))
        return roots

    def _before(self, findings: list[Finding]) -> Frontier | None:
        """Return the tree of the entries before the first that is read, as it is stored."""
        try:
            return frontier_of(stored_tree(self.connection), self.first - 1)
        except LogForked as lacking:
            findings.append(Finding(self.first, Problem.MISSING, str(lacking)))
            return None

    def _look_at_the_whole(self, read: "RangeCheck | pieces.Held", findings: list[Finding]) -> None:
        """Look for what no entry speaks of, once all of them are read."""
        if self.hashes_only or self.first != 1 or self.end != self.size:
            return
        _look_for_strays(self.connection, read.edges, read.names, findings)
        if (
            read.frontier
            and not findings
            and frontier_of(stored_tree(self.connection), self.end).roots != read.frontier.roots
        ):
            detail = "the subtrees that are stored for proofs are not those of the entries"
            findings.append(Finding(1, Problem.UNPROVEN, detail))


def _look_for_strays(connection: Connection, edges: int, names: int, findings: list[Finding]) -> None:
    """Look for edges and names of entries that there are not.

    Args:
        connection: From :meth:`EvidenceLog.reading`.
        edges: How many edges the entries have.
        names: How many names.
        findings: What was found in the entries; takes what is found besides.
    """
    # Where every entry has the edges that it says, with parents before it, the others are those that there are more.
    if findings or _count(connection, EDGE) != edges:
        for what, column in (("of", EDGE.c.child), ("to", EDGE.c.parent)):
            known = sa.exists().where(LEAF.c.sequence == column)
            strays = connection.execute(sa.select(column).where(~known).limit(_MOST_FINDINGS)).scalars()
            detail = f"an edge {what} an entry that is not there"
            findings.extend(Finding(sequence, Problem.EDGE, detail) for sequence in strays)
    stored = _count(connection, NAME)
    if stored != names and not findings:
        findings.append(Finding(1, Problem.MISNAMED, f"{stored} names are stored, not {names}"))


def _count(connection: Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _verification(read: "RangeCheck | pieces.Held", roots: SignedRoots, findings: list[Finding]) -> Verification:
    first = tuple(sorted(findings, key=lambda finding: finding.sequence)[:_MOST_FINDINGS])
    witnessed = roots.witnessed
    return Verification(read.entries, read.edges, roots.compared, witnessed.size, witnessed.at, first)
