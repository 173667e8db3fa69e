"""An entry's bytes against the plain way of writing them."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ledgerline.audit import Kind, Leaf, Parent
from ledgerline.audit.entry import decode_entry, encode_entry
from ledgerline.core.identity import canonical_json, sha256_bytes

MOMENT = "2018-10-01T00:00:00.000000Z"
values = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.floats(-1e6, 1e6)
objects = st.dictionaries(
    st.text(), values | st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3)
)
parents = st.lists(st.builds(Parent, st.text("0123456789abcdef", min_size=64, max_size=64), st.text()), max_size=3)


@given(st.sampled_from(list(Kind)), objects, objects, parents)
def test_an_entry_is_the_canonical_json_of_all_that_it_says_and_comes_back(kind, identity, detail, made_from):
    leaf = Leaf(kind, identity, detail)
    leaf_id, entry = encode_entry(leaf, made_from, MOMENT)
    said = {
        "detail": detail,
        "id": leaf_id,
        "identity": identity,
        "kind": kind.value,
        "parents": [[parent.id, parent.role] for parent in made_from],
        "recorded_at": MOMENT,
    }
    assert entry == canonical_json(said)
    assert leaf_id == leaf.id == sha256_bytes(canonical_json({"identity": identity, "kind": kind.value}))
    read = decode_entry(entry)
    assert (read.id, read.leaf.kind, read.parents, read.recorded_at) == (leaf_id, kind, tuple(made_from), MOMENT)
    assert (read.leaf.identity, read.leaf.detail) == (
        json.loads(canonical_json(identity)),
        json.loads(canonical_json(detail)),
    )
