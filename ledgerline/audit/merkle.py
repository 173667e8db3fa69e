"""Merkle trees over the evidence log: roots, and proofs that an entry is in it or that it only grew.

The tree is RFC 6962's (section 2.1), whose proofs RFC 9162 (sections 2.1.3 and 2.1.4) tells how to check. Positions and
sizes count entries from 0. Hashes are 32 bytes, SHA-256, and leaves are hashed apart from nodes, so that neither can
pass for the other.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from ledgerline.core.errors import LedgerlineError

_LEAF, _NODE = b"\x00", b"\x01"
_TOGETHER = 256
EMPTY_ROOT = hashlib.sha256(b"").digest()

PerfectRoot = Callable[[int, int], bytes]
"""``perfect(level, index)``: the root over the ``2**level`` entries from ``index * 2**level``."""


class ProofInvalid(LedgerlineError):
    """A proof does not prove what it is said to."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry's bytes."""
    return hashlib.sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash over two neighbouring subtrees."""
    return hashlib.sha256(_NODE + left + right).digest()


class Frontier:
    """The least that must be remembered of a tree to make it grow: the roots of its perfect subtrees, left to right.

    Args:
        size: How many entries the tree has.
        roots: The roots of the perfect subtrees that its size is the binary sum of, largest first.
    """

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self.roots = list(roots)
        if len(self.roots) != size.bit_count():
            raise ProofInvalid(
                f"a tree of {size} entries has {size.bit_count()} perfect subtrees, not {len(self.roots)}"
            )

    def append(self, entry_hash: bytes) -> None:
        """Add one entry by its hash."""
        roots, size = self.roots, self.size
        roots.append(entry_hash)
        while size & 1:
            right = roots.pop()
            roots[-1] = hashlib.sha256(_NODE + roots[-1] + right).digest()
            size >>= 1
        self.size += 1

    def extend(self, entry_hashes: Sequence[bytes]) -> None:
        """Add entries by their hashes; many at once cost half of what they cost one by one."""
        at, end = 0, len(entry_hashes)
        while at < end:
            if self.size % _TOGETHER == 0 and end - at >= _TOGETHER:
                self._merge(perfect_root(entry_hashes[at : at + _TOGETHER]), _TOGETHER)
                at += _TOGETHER
            else:
                self.append(entry_hashes[at])
                at += 1

    def join(self, right: "Frontier") -> None:
        """Add the entries of another tree behind these, by its perfect subtrees.

        Raises:
            ProofInvalid: The largest of them cannot stand there: subtrees begin at multiples of their sizes.
        """
        widths = [1 << level for level in reversed(range(right.size.bit_length())) if right.size >> level & 1]
        if widths and self.size % widths[0]:
            raise ProofInvalid(f"behind {self.size} entries no perfect subtree of {widths[0]} can stand")
        for width, root in zip(widths, right.roots, strict=True):
            self._merge(root, width)

    def _merge(self, root: bytes, width: int) -> None:
        """Add a perfect subtree of ``width`` entries at a place where one belongs."""
        self.roots.append(root)
        size = self.size // width
        while size & 1:
            right = self.roots.pop()
            self.roots[-1] = node_hash(self.roots[-1], right)
            size >>= 1
        self.size += width

    def root(self) -> bytes:
        """Return the root over everything added so far."""
        return fold(self.roots)


def fold(roots: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees that lie side by side, each smaller than the one before."""
    if not roots:
        return EMPTY_ROOT
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of neighbouring hashes."""
    sha256 = hashlib.sha256
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(_NODE + left + right).digest() for left, right in pairs]
    return hashes[0]


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """Return the hashes of many entries."""
    sha256 = hashlib.sha256
    return [sha256(_LEAF + entry).digest() for entry in entries]


def frontier_of(perfect: PerfectRoot, size: int) -> Frontier:
    """Return the frontier of a stored tree's first ``size`` entries."""
    return Frontier(size, (perfect(*part) for part in _perfect_parts(0, size)))


def inclusion_proof(perfect: PerfectRoot, index: int, size: int) -> list[bytes]:
    """Return the proof that entry ``index`` is in the tree of ``size`` entries (RFC 6962, section 2.1.1).

    Raises:
        ProofInvalid: The tree has no such entry.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} entries has no entry {index}")
    return [_range_root(perfect, begin, end) for begin, end in _path(index, size)]


def consistency_proof(perfect: PerfectRoot, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of ``old`` entries is the beginning of that of ``new`` (RFC 6962, 2.1.2).

    Raises:
        ProofInvalid: A tree of ``old`` entries is no beginning of one of ``new``.
    """
    if not 0 <= old <= new:
        raise ProofInvalid(f"a tree of {old} entries is no beginning of one of {new}")
    if old in (0, new):
        return []
    return [_range_root(perfect, begin, end) for begin, end in _consistency_parts(old, 0, new, whole=True)]


def check_inclusion(entry_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that an entry is at ``index`` of the tree with this size and root (RFC 9162, section 2.1.3.2).

    Raises:
        ProofInvalid: It is not proven.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} entries has no entry {index}")
    position, last, found = index, size - 1, entry_hash
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the proof of inclusion is longer than the path it proves")
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    if last or found != root:
        raise ProofInvalid(f"entry {index} is not proven to be in the tree of {size} entries")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that one tree is the beginning of another (RFC 9162, section 2.1.4.2).

    Raises:
        ProofInvalid: It is not proven: the log was rewritten, or the proof is another's.
    """
    if not 0 <= old <= new:
        raise ProofInvalid(f"a tree of {old} entries is no beginning of one of {new}")
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if proof or old_root != expected:
            raise ProofInvalid(f"the trees of {old} and {new} entries are not proven to be one log")
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise ProofInvalid("the proof of consistency is empty")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_found = new_found = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofInvalid("the proof of consistency is longer than the path it proves")
        if position & 1 or position == last:
            old_found, new_found = node_hash(sibling, old_found), node_hash(sibling, new_found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_found = node_hash(new_found, sibling)
        position, last = position >> 1, last >> 1
    if last or (old_found, new_found) != (old_root, new_root):
        raise ProofInvalid(f"the trees of {old} and {new} entries are not proven to be one log")


def _split(size: int) -> int:
    """Return the largest power of two below ``size``: where RFC 6962 parts a tree."""
    return 1 << (size - 1).bit_length() - 1


def _perfect_parts(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield ``(level, index)`` of the perfect subtrees that make up a range which starts where a subtree does."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        yield level, begin >> level
        begin += 1 << level


def _range_root(perfect: PerfectRoot, begin: int, end: int) -> bytes:
    return fold([perfect(*part) for part in _perfect_parts(begin, end)])


def _path(index: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges beside the way from an entry to the root, nearest first."""
    beside, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((begin, middle))
            begin = middle
    yield from reversed(beside)


def _consistency_parts(old: int, begin: int, end: int, *, whole: bool) -> Iterator[tuple[int, int]]:
    """Yield RFC 6962's SUBPROOF as ranges; ``old`` counts from ``begin``, ``whole`` is its flag b."""
    size = end - begin
    if old == size:
        if not whole:
            yield begin, end
        return
    middle = _split(size)
    if old <= middle:
        yield from _consistency_parts(old, begin, begin + middle, whole=whole)
        yield begin + middle, end
    else:
        yield from _consistency_parts(old - middle, begin + middle, end, whole=False)
        yield begin, begin + middle
