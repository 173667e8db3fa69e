"""Read the log in pieces, several processes side by side, and say whether all of it holds.

A pass in pieces is believed only where it finds nothing. Whatever else comes of it (a finding, a process that died, a
database that cannot be opened twice), the caller reads the log again, one entry after the other, and reports that: so
what is found, in which order, and which entry is named first are always what one reader finds. It remains to say why
one reader would find nothing where the pieces find nothing:

- Each entry lies in one piece, and is read there by the code that reads it otherwise (:class:`RangeCheck`). What that
  compares (its bytes, hash and columns, edges, the rows of its parents, its names, the witness's copy of its hash, the
  witness's looks) does not depend on what was read before, but for two things: the tree and the latest moment.
- The tree: a piece begins at a multiple of a power of two that it does not exceed, so that its own tree is a subtree of
  the whole one. It hands over its perfect subtrees as they were at every signed size; this process joins them to those
  of the pieces before, which were computed too and never taken from storage, and so has the tree that one reader has,
  and compares the same roots in the same order. The first piece begins with the tree that one reader begins with.
- The latest moment: a piece begins with the moment that is stored of the entry before. The piece that holds that entry
  has found it to be what the entry says, and no earlier than what came before it.
- What is asked of the log as a whole (its length, strays, stored subtrees) the caller asks itself, of the same sums.
- More checks by kind run in this process, once every piece holds, over the entries that are stored under these kinds:
  the pieces have found that to be what they say they are.

One reader sees one moment of the database, several do not. The end is fixed before they begin, and nobody changes the
rows up to it in the ordinary course, so that they see the same ones. Somebody who changes them while they are read may
show each reader something else, as he may change them right after one reader has gone by: what is said of an entry is
said of the moment in which it was read.
"""

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.entry import recorded_leaf
from ledgerline.audit.finding import Finding
from ledgerline.audit.leaf import Kind
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.merkle import Frontier
from ledgerline.audit.ranges import Asked, Check, RangeCheck
from ledgerline.audit.schema import LEAF
from ledgerline.audit.signed_roots import SignedRoots

_log = logging.getLogger("ledgerline.verify")

# From here on two processes are sooner done than one, their start (more than half a second) included.
LEAST_ENTRIES, LEAST_HASHES = 100_000, 500_000
_MOST_IN_A_PIECE = 1 << 16
_PIECES_A_PROCESS = 4  # more than one, for processes that are not equally fast
_READ_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the log that one process reads.

    Attributes:
        begin: Where it begins, counted from 0.
        end: Where it ends.
        before: The tree that its own is grown from: the log's where reading begins, and an empty one everywhere else.
        follows: Whether its first entry must not be earlier than the one before.
    """

    begin: int
    end: int
    before: Frontier
    follows: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A piece, or several in a row, in which nothing was found.

    Attributes:
        entries: How many entries were read.
        edges: How many edges they have.
        names: How many names.
        frontier: The tree of them.
        signed: That tree's perfect subtrees at the sizes of the log at which a root was signed.
    """

    entries: int
    edges: int
    names: int
    frontier: Frontier
    signed: Sequence[tuple[int, Sequence[bytes]]] = ()


def pay(entries: int, *, hashes_only: bool) -> bool:
    """Whether so many entries are read sooner by several processes, which must be started first."""
    return entries >= (LEAST_HASHES if hashes_only else LEAST_ENTRIES)


def read_in_pieces(
    log: EvidenceLog,
    asked: Asked,
    roots: SignedRoots,
    before: Frontier,
    end: int,
    processes: int,
    progress: Callable[[int], None],
) -> Held | None:
    """Read a part of the log in several processes, each with a connection of its own.

    Args:
        log: The evidence log; a database in memory is seen by no other process, so that it never holds in pieces.
        asked: What is asked of every entry.
        roots: What was signed.
        before: The tree of the entries before the first one to be read.
        end: Where to stop, counted from 0.
        processes: How many.
        progress: Called with how far the log is read.

    Returns:
        What was read, or None where anything at all was found or went wrong: then it must be read by one reader.
    """
    whole = Frontier()
    entries = edges = names = 0
    pieces = _pieces(before, end, processes)
    with closing(_held(log, asked, pieces, processes)) as all_held:
        for piece, held in zip(pieces, all_held, strict=True):
            if held is None:
                return None
            if not all(roots.holds(size, _joined(whole, size, tree).roots) for size, tree in held.signed):
                return None
            whole = _joined(whole, piece.end, held.frontier.roots)
            entries, edges, names = entries + held.entries, edges + held.edges, names + held.names
            progress(piece.end)
    return Held(entries, edges, names, whole)


def checks_hold(connection: Connection, checks: Mapping[Kind, Check], first: int, end: int) -> bool:
    """Whether nothing is found by what more there is to check, of leaves that are stored as what they are."""
    statement = (
        sa.select(LEAF.c.kind, LEAF.c.sequence, LEAF.c.id, LEAF.c.entry)
        .where(LEAF.c.kind.in_([kind.value for kind in checks]), first <= LEAF.c.sequence, LEAF.c.sequence <= end)
        .order_by(LEAF.c.sequence)
        .execution_options(yield_per=_READ_AT_ONCE)
    )
    return not checks or all(
        checks[Kind(kind)](recorded_leaf(sequence, leaf_id, content)) is None
        for kind, sequence, leaf_id, content in connection.execute(statement)
    )


def _pieces(before: Frontier, end: int, processes: int) -> list[Piece]:
    """Part the entries from a tree's end on at multiples of a power of two."""
    begin = before.size
    wanted = max(1, (end - begin) // (processes * _PIECES_A_PROCESS))
    width = min(_MOST_IN_A_PIECE, 1 << wanted.bit_length() - 1)
    bounds = [begin, *range((begin // width + 1) * width, end, width), end]
    return [
        Piece(at, until, Frontier() if at > begin else before, follows=at > begin) for at, until in pairwise(bounds)
    ]


def _joined(left: Frontier, size: int, subtrees: Sequence[bytes]) -> Frontier:
    """Return the tree of ``size`` entries that these perfect subtrees make behind those of ``left``."""
    tree = Frontier(left.size, left.roots)
    tree.join(Frontier(size - left.size, subtrees))
    return tree


def _held(
    log: EvidenceLog, asked: Asked, pieces: Sequence[Piece], processes: int
) -> Generator[Held | None, None, None]:
    """Yield what came of every piece, in order; None, and nothing more, once something was found or went wrong."""
    try:
        with ExitStack() as at_end:
            # A server that has the modules at hand, and in which no thread of ours runs, starts processes at once.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["__main__", __name__])
            pool = ProcessPoolExecutor(min(processes, len(pieces)), context, initializer=_end_with_parent)
            at_end.callback(pool.shutdown, cancel_futures=True)
            for future in [pool.submit(_read_piece, log.url, asked, piece) for piece in pieces]:
                held = future.result()
                yield held
                if held is None:
                    return
    except Exception as error:  # whatever it is: one reader meets it too, or does without what is lacking
        _log.warning("reading the log in one process, because several cannot: %s: %s", type(error).__name__, error)
        yield None


def _read_piece(url: str, asked: Asked, piece: Piece) -> Held | None:
    """Read one piece, in a process that was started for it; None where something was found."""
    findings: list[Finding] = []
    signed: list[tuple[int, Sequence[bytes]]] = []

    def keep(size: int, subtrees: Sequence[bytes]) -> bool:
        signed.append((size, list(subtrees)))
        return True

    with _opened(url).reading() as connection:
        moment = _moment(connection, piece.begin) if piece.follows else ""
        part = RangeCheck(connection, asked, findings, keep, piece.before, recorded_at=moment)
        for _ in part.read(piece.begin, piece.end):
            if findings:
                break
    if findings or part.frontier is None:
        return None
    return Held(part.entries, part.edges, part.names, part.frontier, signed)


@cache
def _opened(url: str) -> EvidenceLog:
    return EvidenceLog(url)


def _moment(connection: Connection, sequence: int) -> str:
    """Return the moment that is stored of an entry; where there is none, the piece before finds so."""
    statement = sa.select(LEAF.c.recorded_at).where(LEAF.c.sequence == sequence)
    return str(connection.execute(statement).scalar() or "")


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone: the pool alone would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
