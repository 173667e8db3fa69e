"""Merkle trees against RFC 6962's own words: a recursive tree that is as slow as it is plain."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerline.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofInvalid,
    check_consistency,
    check_inclusion,
    consistency_proof,
    frontier_of,
    inclusion_proof,
    leaf_hash,
)

LARGEST = 70

# The test data of RFC 6962's reference implementation: eight entries, and the root over the first n of them.
ENTRIES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243")]
ENTRIES += [bytes.fromhex("5051525354555657"), bytes.fromhex("606162636465666768696a6b6c6d6e6f")]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(entries: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, to the letter."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = largest_power_below(len(entries))
    return hashlib.sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1."""
    if len(entries) == 1:
        return []
    k = largest_power_below(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: list[bytes], b: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2."""
    if m == len(entries):
        return [] if b else [mth(entries)]
    k = largest_power_below(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], b), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def entries_of(size: int) -> list[bytes]:
    return [f"entry {i}".encode() for i in range(size)]


def stored(entries: list[bytes]):
    return lambda level, index: mth(entries[index << level : (index + 1) << level])


def grown(entries: list[bytes]) -> Frontier:
    frontier = Frontier()
    for entry in entries:
        frontier.append(leaf_hash(entry))
    return frontier


sizes = st.integers(1, LARGEST)


@given(st.lists(st.integers(0, 700), max_size=4))
def test_entries_added_many_at_once_make_the_tree_of_entries_added_one_by_one(parts):
    hashes = [leaf_hash(entry) for entry in entries_of(sum(parts))]
    together, at = Frontier(), 0
    for part in parts:
        together.extend(hashes[at : at + part])
        at += part
    single = grown(entries_of(sum(parts)))
    assert (together.size, together.roots) == (single.size, single.roots)


@given(st.integers(0, 9), st.integers(0, 5), st.data())
def test_a_tree_joined_behind_another_makes_the_tree_of_all_entries(before, level, data):
    begin, behind = before << level, data.draw(st.integers(0, 1 << level))
    entries = entries_of(begin + behind)
    joined = grown(entries[:begin])
    joined.join(grown(entries[begin:]))
    assert (joined.size, joined.roots) == (len(entries), grown(entries).roots)


def test_a_tree_is_not_joined_where_its_subtrees_cannot_stand():
    with pytest.raises(ProofInvalid):
        grown(entries_of(6)).join(grown(entries_of(4)))


def test_the_reference_implementations_roots_come_out():
    assert [grown(ENTRIES[:n]).root().hex() for n in range(1, 9)] == ROOTS
    assert grown([]).root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


@given(st.integers(0, LARGEST))
def test_a_growing_tree_has_the_root_of_the_recursive_one_at_every_size(size):
    entries = entries_of(size)
    frontier = grown(entries)
    assert frontier.root() == mth(entries)
    again = frontier_of(stored(entries), size)
    assert (again.size, again.roots) == (frontier.size, frontier.roots)


@given(sizes, st.data())
def test_an_inclusion_proof_is_rfc_6962s_and_holds(size, data):
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    proof = inclusion_proof(stored(entries), index, size)
    assert proof == path(index, entries)
    check_inclusion(leaf_hash(entries[index]), index, size, proof, mth(entries))


@given(sizes, st.data())
def test_a_consistency_proof_is_rfc_6962s_and_holds(new, data):
    old = data.draw(st.integers(0, new))
    entries = entries_of(new)
    proof = consistency_proof(stored(entries), old, new)
    if 0 < old < new:
        assert proof == subproof(old, entries, True)
    check_consistency(old, mth(entries[:old]), new, mth(entries), proof)


@given(sizes, st.data())
def test_no_other_entry_place_size_root_or_proof_passes_for_the_proven_one(size, data):
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    proof, root, own = inclusion_proof(stored(entries), index, size), mth(entries), leaf_hash(entries[index])
    other = hashlib.sha256(b"other").digest()
    wrong = [
        (other, index, size, proof, root),
        (own, index, size, proof, other),
        (own, index, size, [*proof, other], root),
        (own, index, size, [other, *proof], root),
        (own, size, size, proof, root),
        (own, -1, size, proof, root),
        *((own, place, size, proof, root) for place in range(size) if place != index),
        *((own, index, size, proof[:cut], root) for cut in range(len(proof))),
        *((own, index, size, [*proof[:at], other, *proof[at + 1 :]], root) for at in range(len(proof))),
    ]
    for attempt in wrong:
        with pytest.raises(ProofInvalid):
            check_inclusion(*attempt)


@given(st.integers(2, LARGEST), st.data())
def test_a_rewritten_log_cannot_be_proven_to_be_the_old_one_grown(new, data):
    old = data.draw(st.integers(1, new - 1))
    changed = data.draw(st.integers(0, old - 1))
    entries = entries_of(new)
    rewritten = [*entries[:changed], b"rewritten", *entries[changed + 1 :]]
    honest = consistency_proof(stored(entries), old, new)
    forged = consistency_proof(stored(rewritten), old, new)
    other = hashlib.sha256(b"other").digest()
    wrong = [
        (old, mth(entries[:old]), new, mth(rewritten), forged),
        (old, mth(entries[:old]), new, mth(rewritten), honest),
        (old, mth(rewritten[:old]), new, mth(entries), honest),
        (old, mth(entries[:old]), new, mth(entries), [*honest, other]),
        (old, mth(entries[:old]), new, mth(entries), []),
        *((old, mth(entries[:old]), new, mth(entries), honest[:cut]) for cut in range(len(honest))),
        (new, mth(entries), old, mth(entries[:old]), honest),
        (new, mth(entries), new, mth(rewritten), []),
        (0, mth(entries), new, mth(entries), []),
    ]
    for attempt in wrong:
        with pytest.raises(ProofInvalid):
            check_consistency(*attempt)


def test_a_frontier_with_a_subtree_too_many_is_refused():
    with pytest.raises(ProofInvalid):
        Frontier(2, [EMPTY_ROOT, EMPTY_ROOT])
