"""Make the bundle: the model as JSON and the documents beside it, equal for equal trainings."""

from ledgerline.decisions.bundle import CARD_FILE, EVALUATION_FILE, ManifestFields, ModelFormat
from ledgerline.decisions.forecast import FAMILY
from pipelines.training.forecast.card import model_card
from pipelines.training.forecast.procedure import TrainedForecast
from pipelines.training.forecast.report import encode_report
from pipelines.training.sealed import BundleOrigin

INPUTS = ("amount",)
"""What a forecast is made from; whatever else a model looks at it computes from these itself."""


def bundle_of(trained: TrainedForecast, *, origin: BundleOrigin) -> tuple[ManifestFields, dict[str, bytes]]:
    """Return what the manifest of a training's bundle says, and its files."""
    fields = ManifestFields(
        family=FAMILY,
        feature_view=origin.feature_view,
        feature_fingerprint=origin.feature_fingerprint,
        features=INPUTS,
        threshold=None,
        model_format=ModelFormat.FORECAST_JSON,
        training_set=origin.training_set,
        training_run=origin.training_run,
    )
    files = {
        fields.model_file: trained.spec.to_bytes(),
        EVALUATION_FILE: encode_report(trained.report),
        CARD_FILE: model_card(trained.report).encode(),
    }
    return fields, files
