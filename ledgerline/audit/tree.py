"""The evidence log as a Merkle tree: its root at any size, proofs, and the checkpoints that the log has signed."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.checkpoint import Checkpoint, SignedCheckpoint
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.merkle import (
    PerfectRoot,
    consistency_proof,
    frontier_of,
    inclusion_proof,
    perfect_root,
)
from ledgerline.audit.note import NoteKey, NoteSigner
from ledgerline.audit.schema import CHECKPOINT, LEAF, TREE_NODE
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError

TILE_LEVELS = 8
_TILE = 1 << TILE_LEVELS

Tiles = dict[tuple[int, int], bytes]
"""Roots of complete tiles by level (of 256) and position."""


class LogForked(LedgerlineError):
    """The log is not the one that it has signed for: it was rewritten, or cut short."""


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That one entry is in the log of a signed checkpoint.

    Attributes:
        sequence: The entry's position, from 1.
        hashes: The proof, nearest sibling first (RFC 6962, section 2.1.1).
        checkpoint: What it is in.
    """

    sequence: int
    hashes: list[bytes]
    checkpoint: SignedCheckpoint


def size_of(connection: Connection) -> int:
    """Return how many entries the log has."""
    return int(connection.execute(sa.select(sa.func.max(LEAF.c.sequence))).scalar() or 0)


def stored_tree(connection: Connection, fresh: Tiles | None = None) -> PerfectRoot:
    """Return the log's perfect subtrees, from what checkpoints have stored and from the entries' hashes.

    Args:
        connection: From :meth:`EvidenceLog.reading`.
        fresh: Roots of complete tiles that are not stored yet.
    """
    fresh = fresh or {}

    def perfect(level: int, index: int) -> bytes:
        if level < TILE_LEVELS:
            return perfect_root(hashes_of(connection, index << level, (index + 1) << level))
        tiles, beyond = divmod(level, TILE_LEVELS)
        begin, end = index << beyond, (index + 1) << beyond
        known = {position: root for position in range(begin, end) if (root := fresh.get((tiles, position)))}
        if len(known) < end - begin:
            known |= _stored_tiles(connection, tiles, begin, end)
        if len(known) == end - begin:
            return perfect_root([known[position] for position in range(begin, end)])
        return perfect_root([perfect(level - 1, half) for half in (2 * index, 2 * index + 1)])  # no checkpoint was here

    return perfect


def hashes_of(connection: Connection, begin: int, end: int) -> list[bytes]:
    """Return the hashes of the entries from ``begin`` up to ``end``, counted from 0.

    Raises:
        LogForked: Some of them are not there.
    """
    statement = sa.select(LEAF.c.hash).where(begin < LEAF.c.sequence, LEAF.c.sequence <= end).order_by(LEAF.c.sequence)
    hashes = list(connection.execute(statement).scalars())
    if len(hashes) != end - begin:
        raise LogForked(f"the evidence log lacks {end - begin - len(hashes)} of the entries {begin + 1} to {end}")
    return hashes


def latest_checkpoint(log: EvidenceLog, key: NoteKey) -> SignedCheckpoint | None:
    """Return the newest checkpoint that the log has signed, or None before the first.

    Raises:
        NoteInvalid: What is stored is not signed by ``key``.
    """
    with log.reading() as connection:
        return _latest(connection, key)


def sign_checkpoint(log: EvidenceLog, signer: NoteSigner, at: datetime) -> SignedCheckpoint:
    """Sign what the log is now; while nothing was added, the last checkpoint stands.

    Args:
        log: The evidence log.
        signer: The log's own key.
        at: When, UTC.

    Returns:
        The newest checkpoint.

    Raises:
        LogForked: The log is not the one that it has signed for before, so nothing is signed.
        NoteInvalid: The last checkpoint is not signed by this key.
    """
    with log.reading() as connection:
        last, size = _latest(connection, signer.key), size_of(connection)
        before = last.checkpoint.size if last else 0
        if last and last.checkpoint.root != frontier_of(stored_tree(connection), before).root():
            raise LogForked(f"the evidence log's first {before} entries are not those that it has signed for")
        if last and size == before:
            return last
        tiles = _complete_tiles(connection, before, size)
        root = frontier_of(stored_tree(connection, tiles), size).root()
    signed = SignedCheckpoint.sign(Checkpoint(signer.key.name, size, root), signer)
    row = {"size": size, "note": str(signed.note), "signed_at": instant_text(at)}
    with log.transaction() as transaction:
        newest = _latest(transaction, signer.key)
        if newest and newest.checkpoint.size >= size:  # another process was here first
            return newest
        if tiles:
            rows = [{"level": level, "position": position, "root": each} for (level, position), each in tiles.items()]
            transaction.execute(sa.insert(TREE_NODE), rows)
        transaction.execute(sa.insert(CHECKPOINT), row)
    return signed


def prove_inclusion(log: EvidenceLog, sequence: int, checkpoint: SignedCheckpoint) -> InclusionProof:
    """Prove that the entry at ``sequence`` is in the log of a checkpoint.

    Raises:
        ProofInvalid: It was recorded after the checkpoint.
    """
    with log.reading() as connection:
        hashes = inclusion_proof(stored_tree(connection), sequence - 1, checkpoint.checkpoint.size)
    return InclusionProof(sequence, hashes, checkpoint)


def prove_consistency(log: EvidenceLog, old: int, new: int) -> list[bytes]:
    """Prove that the log of ``old`` entries is the beginning of that of ``new`` (RFC 6962, section 2.1.2)."""
    with log.reading() as connection:
        return consistency_proof(stored_tree(connection), old, new)


def _latest(connection: Connection, key: NoteKey) -> SignedCheckpoint | None:
    newest = sa.select(CHECKPOINT.c.note).order_by(CHECKPOINT.c.size.desc()).limit(1)
    note = connection.execute(newest).scalar()
    return None if note is None else SignedCheckpoint.parse(note, key)


def _stored_tiles(connection: Connection, level: int, begin: int, end: int) -> dict[int, bytes]:
    statement = sa.select(TREE_NODE.c.position, TREE_NODE.c.root).where(
        TREE_NODE.c.level == level, begin <= TREE_NODE.c.position, TREE_NODE.c.position < end
    )
    return {row.position: row.root for row in connection.execute(statement)}


def _complete_tiles(connection: Connection, old: int, new: int) -> Tiles:
    """Return the roots of the tiles of every level that are complete at size ``new`` and were not at ``old``."""
    tiles: Tiles = {}
    first, end = old >> TILE_LEVELS, new >> TILE_LEVELS
    for begin in range(first, end, _TILE):
        until = min(end, begin + _TILE)
        hashes = hashes_of(connection, begin << TILE_LEVELS, until << TILE_LEVELS)
        for position in range(begin, until):
            offset = (position - begin) << TILE_LEVELS
            tiles[1, position] = perfect_root(hashes[offset : offset + _TILE])
    level = 2
    while new >> (TILE_LEVELS * level):
        perfect = stored_tree(connection, tiles)
        for position in range(old >> (TILE_LEVELS * level), new >> (TILE_LEVELS * level)):
            tiles[level, position] = perfect(TILE_LEVELS * level, position)
        level += 1
    return tiles
