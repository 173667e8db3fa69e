"""Make the bundle: the booster's bytes and the documents beside it, equal for equal trainings."""

from collections.abc import Sequence

from ledgerline.decisions.bundle import (
    CARD_FILE,
    EVALUATION_FILE,
    REASON_CODES_FILE,
    ManifestFields,
    ModelFormat,
)
from ledgerline.decisions.fraud import FAMILY, encode_reason_codes
from pipelines.training.fraud.card import model_card
from pipelines.training.fraud.procedure import TrainedFraudModel
from pipelines.training.fraud.report import encode_report
from pipelines.training.sealed import BundleOrigin


def bundle_of(
    trained: TrainedFraudModel, *, origin: BundleOrigin, names: Sequence[str]
) -> tuple[ManifestFields, dict[str, bytes]]:
    """Return what the manifest of a training's bundle says, and its files."""
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
    return fields, files
