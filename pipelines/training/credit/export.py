"""What the bundle holds: the booster's bytes and the documents beside it, equal for equal trainings."""

from collections.abc import Mapping

from ledgerline.core.identity import canonical_json
from ledgerline.decisions.bundle import (
    CARD_FILE,
    EVALUATION_FILE,
    INPUTS_FILE,
    REASON_CODES_FILE,
    ManifestFields,
    ModelFormat,
)
from ledgerline.decisions.credit import FAMILY, encode_reason_codes
from pipelines.training.credit.card import model_card
from pipelines.training.credit.procedure import TrainedCreditModel
from pipelines.training.sealed import BundleOrigin


def bundle_of(trained: TrainedCreditModel, *, origin: BundleOrigin) -> tuple[ManifestFields, Mapping[str, bytes]]:
    """Return what the manifest says, and the files."""
    encoding = trained.model.encoding
    fields = ManifestFields(
        family=FAMILY,
        feature_view=origin.feature_view,
        feature_fingerprint=origin.feature_fingerprint,
        features=encoding.columns,
        threshold=None,
        model_format=ModelFormat.XGBOOST_UBJ,
        training_set=origin.training_set,
        training_run=origin.training_run,
    )
    files = {
        fields.model_file: bytes(trained.model.booster.save_raw("ubj")),
        EVALUATION_FILE: canonical_json(trained.report),
        CARD_FILE: model_card(trained.report).encode(),
        REASON_CODES_FILE: encode_reason_codes(encoding.inputs),
        INPUTS_FILE: trained.takes.to_bytes(),
    }
    return fields, files
