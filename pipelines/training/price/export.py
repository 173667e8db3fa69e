"""What the bundle holds: the booster's text and the documents beside it, equal for equal trainings."""

from collections.abc import Mapping, Sequence

from feature_store.views import view_named
from ledgerline.core.identity import canonical_json
from ledgerline.decisions.bundle import CARD_FILE, EVALUATION_FILE, INPUTS_FILE, ManifestFields, ModelFormat
from ledgerline.decisions.trading import FAMILY
from pipelines.training.price.card import model_card
from pipelines.training.price.procedure import TrainedPriceModel
from pipelines.training.sealed import BundleOrigin


def bundle_of(
    trained: TrainedPriceModel, *, origin: BundleOrigin, names: Sequence[str]
) -> tuple[ManifestFields, Mapping[str, bytes]]:
    """Return what the manifest says, and the files."""
    fields = ManifestFields(
        family=FAMILY,
        feature_view=origin.feature_view,
        feature_fingerprint=origin.feature_fingerprint,
        features=tuple(names),
        threshold=None,
        model_format=ModelFormat.LIGHTGBM_TEXT,
        training_set=origin.training_set,
        training_run=origin.training_run,
    )
    files = {
        fields.model_file: trained.booster.model_to_string().encode(),
        EVALUATION_FILE: canonical_json(trained.report),
        CARD_FILE: model_card(trained.report).encode(),
        INPUTS_FILE: encode_inputs(origin.feature_view, names),
    }
    return fields, files


def encode_inputs(view: str, names: Sequence[str]) -> bytes:
    """Encode what every input means as the bundle's ``inputs.json``."""
    described = {feature.name: feature for feature in view_named(view).features}
    return canonical_json(
        {name: {"description": described[name].description, "unit": described[name].unit} for name in names}
    )
