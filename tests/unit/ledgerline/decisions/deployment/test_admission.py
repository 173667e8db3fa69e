"""What is admitted stands on what was signed, not on what a row says beside it."""

from collections.abc import Callable
from types import ModuleType

import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.decisions.admission import Admitted, admit
from ledgerline.decisions.bundle import BundleRefused, RefusalReason


def admitted(ledger: Ledger, digest: str) -> Admitted:
    return admit(ledger, digest, environment="sandbox", at=ledger.clock.now())


def test_the_online_state_is_of_the_signed_training_set_whatever_a_detail_says(
    ledger: Ledger, line: ModuleType, rewrite: Callable[..., None]
) -> None:
    digest = line.approved_model(ledger)
    trained_on = admitted(ledger, digest).feature_version
    other, _ = line.record_feature_version(ledger, build=2)
    bundle = ledger.log.latest(Kind.MODEL_BUNDLE, digest=digest)
    assert bundle is not None
    rewrite(ledger.log, bundle.id, "detail", feature_version=other)
    assert admitted(ledger, digest).feature_version == trained_on != other


@pytest.mark.parametrize(
    ("kind", "field"), [(Kind.TRAINING_SET, "feature_version"), (Kind.FEATURE_VERSION, "manifest")]
)
def test_training_evidence_pointed_elsewhere_is_refused(
    ledger: Ledger, line: ModuleType, rewrite: Callable[..., None], kind: Kind, field: str
) -> None:
    digest = line.approved_model(ledger)
    (leaf,) = ledger.log.leaves(kind)
    other, _ = line.record_feature_version(ledger, build=2)
    rewrite(ledger.log, leaf.id, "identity", **{field: ledger.log.get(other).identity.get(field, other)})
    with pytest.raises(BundleRefused) as refused:
        admitted(ledger, digest)
    assert refused.value.reason is RefusalReason.EVIDENCE_CHANGED
