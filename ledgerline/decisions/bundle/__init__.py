"""The deployable model: safe formats only, named by the hash of its manifest, every byte checked at load."""

from ledgerline.decisions.bundle.content import CARD_FILE, EVALUATION_FILE, INPUTS_FILE, REASON_CODES_FILE
from ledgerline.decisions.bundle.manifest import FileRecord, Manifest, ManifestFields, ModelFormat
from ledgerline.decisions.bundle.refusal import BundleRefused, RefusalReason
from ledgerline.decisions.bundle.store import Bundle, load_bundle, write_bundle

__all__ = [
    "CARD_FILE",
    "EVALUATION_FILE",
    "INPUTS_FILE",
    "REASON_CODES_FILE",
    "Bundle",
    "BundleRefused",
    "FileRecord",
    "Manifest",
    "ManifestFields",
    "ModelFormat",
    "RefusalReason",
    "load_bundle",
    "write_bundle",
]
