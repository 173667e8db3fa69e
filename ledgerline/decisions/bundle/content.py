"""What a bundle's files may be: a closed list of names, and for each what its bytes must look like."""

import json
from collections.abc import Mapping

from ledgerline.decisions.bundle.manifest import MODEL_FILES, ModelFormat
from ledgerline.decisions.bundle.refusal import BundleRefused, RefusalReason

EVALUATION_FILE = "evaluation.json"
CARD_FILE = "card.md"
REASON_CODES_FILE = "reason_codes.json"
INPUTS_FILE = "inputs.json"  # what a model takes beside its features' names: encodings, known categories, calibration
_COMMON_FILES = frozenset({EVALUATION_FILE, CARD_FILE})
DOCUMENT_FILES: Mapping[str, frozenset[str]] = {
    "fraud": _COMMON_FILES | {REASON_CODES_FILE},
    "credit": _COMMON_FILES | {REASON_CODES_FILE, INPUTS_FILE},
    "price": _COMMON_FILES | {INPUTS_FILE},
    "forecast": _COMMON_FILES,
}
"""What stands beside the model file, by family."""

# PEP 3154 and its forerunners: a pickle of protocol 2 to 5 starts with PROTO and its number. Archives (zip, gzip, tar)
# are how torch, joblib and numpy carry pickles.
_PICKLE_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_ARCHIVE_STARTS = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_MODEL_STARTS = {
    MODEL_FILES[ModelFormat.XGBOOST_UBJ]: b"{L",  # Universal Binary JSON: an object, its first key's length 64 bits
    MODEL_FILES[ModelFormat.LIGHTGBM_TEXT]: b"tree\n",
}


def check_names(names: set[str], *, family: str, model_file: str) -> None:
    """Refuse a list of file names that is not exactly a bundle's.

    Raises:
        BundleRefused: A family that nobody knows, a name that no bundle of it holds, or a missing one.
    """
    if family not in DOCUMENT_FILES:
        raise BundleRefused(
            RefusalReason.FAMILY_DIFFERS, f"no family is called {family!r}; there are: {', '.join(DOCUMENT_FILES)}"
        )
    expected = DOCUMENT_FILES[family] | {model_file}
    if unexpected := names - expected:
        raise BundleRefused(
            RefusalReason.FILE_UNEXPECTED,
            f"a bundle holds {', '.join(sorted(expected))} and nothing else; found {', '.join(sorted(unexpected))}",
        )
    if missing := expected - names:
        raise BundleRefused(RefusalReason.FILE_MISSING, f"the bundle lacks {', '.join(sorted(missing))}")


def check_content(name: str, content: bytes) -> None:
    """Refuse a file whose bytes are not what its name says.

    Raises:
        BundleRefused: A pickle or an archive under another name, or bytes that do not decode.
    """
    if content.startswith(_PICKLE_STARTS + _ARCHIVE_STARTS):
        raise BundleRefused(RefusalReason.CONTENT_UNSAFE, f"{name} is a pickle or an archive; neither is ever loaded")
    try:
        if name.endswith(".json"):
            json.loads(content)
        elif name.endswith(".md"):
            content.decode()
        elif not content.startswith(_MODEL_STARTS.get(name, b"")):
            raise ValueError("it does not begin as its format does")
    except ValueError as unreadable:
        raise BundleRefused(RefusalReason.CONTENT_UNREADABLE, f"{name} is damaged: {unreadable}") from unreadable
