"""The signing keys on record: which is a person's, and which are revoked.

What counts is the order of the log, never a claimed moment: who holds a stolen key can date a signature as they like.
"""

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.decisions.approval_policy import person


def newest_key(ledger: Ledger, name: str, *, before: int | None = None) -> RecordedLeaf | None:
    """Return the newest signing key on record for a person, revoked or not, or None.

    Args:
        ledger: The installation.
        name: Whose.
        before: Only look at what was recorded before this position of the log.
    """
    keys = [
        key
        for key in ledger.log.leaves(Kind.SIGNING_KEY)
        if person(key.identity["name"]) == person(name) and _is_before(key, before)
    ]
    return keys[-1] if keys else None


def key_in_force(ledger: Ledger, name: str) -> RecordedLeaf | None:
    """Return the key that a person signs with now: their newest, unless it is revoked. An older one never returns."""
    key = newest_key(ledger, name)
    return None if key is None or revocation(ledger, key.identity["public_key"]) else key


def revocation(ledger: Ledger, public_key: str, *, before: int | None = None) -> RecordedLeaf | None:
    """Return the leaf that revoked a key, or None; a key stays revoked under whichever name it is recorded again.

    Args:
        ledger: The installation.
        public_key: The key, in hex digits.
        before: Only look at what was recorded before this position of the log.
    """
    wanted = _raw(public_key)
    revoked = (
        leaf
        for leaf in ledger.log.leaves(Kind.KEY_REVOCATION)
        if _is_before(leaf, before) and _raw(leaf.identity["public_key"]) == wanted
    )
    return next(revoked, None)


def _is_before(leaf: RecordedLeaf, position: int | None) -> bool:
    return position is None or leaf.sequence < position


def _raw(public_key: str) -> bytes | str:
    """Return the key's bytes, so that two spellings of one key are equal."""
    try:
        return bytes.fromhex(public_key)
    except ValueError:
        return public_key
