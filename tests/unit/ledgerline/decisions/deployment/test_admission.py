"""What is admitted stands on what was signed, not on what a row says beside it."""

from types import ModuleType

import pytest
import sqlalchemy as sa

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.audit.schema import LEAF
from ledgerline.core.identity import canonical_json
from ledgerline.decisions.admission import Admitted, admit
from ledgerline.decisions.bundle import BundleRefused, RefusalReason


def admitted(ledger: Ledger, digest: str) -> Admitted:
    return admit(ledger, digest, environment="sandbox", at=ledger.clock.now())


def rewrite(ledger: Ledger, leaf: RecordedLeaf, part: str, **changes: str) -> None:
    """Change an entry as somebody would who can write to the database."""
    content = canonical_json({**getattr(leaf, part), **changes})
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(LEAF).where(LEAF.c.id == leaf.id).values({part: content}))


def test_the_online_state_is_of_the_signed_training_set_whatever_a_detail_says(
    ledger: Ledger, line: ModuleType
) -> None:
    digest = line.approved_model(ledger)
    trained_on = admitted(ledger, digest).feature_version
    other, _ = line.record_feature_version(ledger, build=2)
    bundle = ledger.log.latest(Kind.MODEL_BUNDLE, digest=digest)
    assert bundle is not None
    rewrite(ledger, bundle, "detail", feature_version=other)
    assert admitted(ledger, digest).feature_version == trained_on != other


@pytest.mark.parametrize(
    ("kind", "field"), [(Kind.TRAINING_SET, "feature_version"), (Kind.FEATURE_VERSION, "manifest")]
)
def test_training_evidence_pointed_elsewhere_is_refused(
    ledger: Ledger, line: ModuleType, kind: Kind, field: str
) -> None:
    digest = line.approved_model(ledger)
    (leaf,) = ledger.log.leaves(kind)
    other, _ = line.record_feature_version(ledger, build=2)
    rewrite(ledger, leaf, "identity", **{field: ledger.log.get(other).identity.get(field, other)})
    with pytest.raises(BundleRefused) as refused:
        admitted(ledger, digest)
    assert refused.value.reason is RefusalReason.EVIDENCE_CHANGED
