"""From a bundle to its family's model, whichever the family is."""

from importlib import import_module
from typing import Any

from ledgerline.decisions.bundle import Bundle, BundleRefused, RefusalReason

# By name, so that a job loads the code of the families it serves and no other.
_MODELS = {
    "fraud": ("ledgerline.decisions.fraud", "FraudModel"),
    "credit": ("ledgerline.decisions.credit", "CreditModel"),
    "price": ("ledgerline.decisions.trading", "PriceModel"),
    "forecast": ("ledgerline.decisions.forecast", "ForecastModel"),
}


def load_model(bundle: Bundle) -> Any:
    """Return the bundle's model, ready to decide: ``FraudModel``, ``CreditModel``, ``PriceModel`` or ``ForecastModel``.

    Raises:
        BundleRefused: No such family, or a model that cannot be read.
    """
    family = bundle.fields.family
    if family not in _MODELS:
        raise BundleRefused(RefusalReason.FAMILY_DIFFERS, f"bundle {bundle.digest} is of no known family: {family!r}")
    module, name = _MODELS[family]
    return getattr(import_module(module), name).load(bundle)
