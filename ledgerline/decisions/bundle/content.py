"""What a bundle's files may be: a closed list of names, and for each what its bytes must look like."""

import json

from ledgerline.decisions.bundle.manifest import MODEL_FILES
from ledgerline.decisions.bundle.refusal import BundleRefused, RefusalReason

EVALUATION_FILE = "evaluation.json"
CARD_FILE = "card.md"
REASON_CODES_FILE = "reason_codes.json"
DOCUMENT_FILES = frozenset({EVALUATION_FILE, CARD_FILE, REASON_CODES_FILE})

# PEP 3154 and its forerunners: a pickle of protocol 2 to 5 starts with PROTO and its number. Archives (zip, gzip, tar)
# are how torch, joblib and numpy carry pickles.
_PICKLE_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_ARCHIVE_STARTS = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_UBJ_OBJECT_START = b"{L"  # Universal Binary JSON: an object whose first key's length is a 64-bit integer


def check_names(names: set[str], *, model_file: str) -> None:
    """Refuse a list of file names that is not exactly a bundle's.

    Raises:
        BundleRefused: A name that no bundle holds, or a missing one.
    """
    expected = DOCUMENT_FILES | {model_file}
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
        elif name in MODEL_FILES.values() and not content.startswith(_UBJ_OBJECT_START):
            raise ValueError("it is not Universal Binary JSON")
    except ValueError as unreadable:
        raise BundleRefused(RefusalReason.CONTENT_UNREADABLE, f"{name} is damaged: {unreadable}") from unreadable
