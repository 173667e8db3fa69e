"""Make the bundle: the booster's bytes and the documents beside it, equal for equal trainings."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledgerline.core.storage import ObjectStore
from ledgerline.decisions.bundle import (
    CARD_FILE,
    EVALUATION_FILE,
    REASON_CODES_FILE,
    ManifestFields,
    ModelFormat,
    write_bundle,
)
from ledgerline.decisions.fraud import FAMILY, encode_reason_codes
from pipelines.training.fraud.card import model_card
from pipelines.training.fraud.procedure import TrainedFraudModel
from pipelines.training.fraud.report import encode_report


@dataclass(frozen=True, slots=True)
class BundleOrigin:
    """Where a bundle comes from.

    Attributes:
        feature_view: Name of the view.
        feature_fingerprint: Its definition.
        training_set: Leaf id.
        training_run: Leaf id of the run; known before it is recorded, because it hashes what the run is made of.
    """

    feature_view: str
    feature_fingerprint: str
    training_set: str
    training_run: str


def export_bundle(
    objects: ObjectStore, trained: TrainedFraudModel, *, origin: BundleOrigin, names: Sequence[str]
) -> str:
    """Write the bundle of a training into the object store and return its digest."""
    fields = ManifestFields(
        family=FAMILY,
        feature_view=origin.feature_view,
        feature_fingerprint=origin.feature_fingerprint,
        features=tuple(names),
        threshold=trained.threshold,
        model_format=ModelFormat.XGBOOST_UBJ,
        training_set=origin.training_set,
        training_run=origin.training_run,
    )
    files = {
        fields.model_file: bytes(trained.booster.save_raw("ubj")),
        EVALUATION_FILE: encode_report(trained.report),
        CARD_FILE: model_card(trained.report).encode(),
        REASON_CODES_FILE: encode_reason_codes(names),
    }
    return write_bundle(objects, fields, files)
