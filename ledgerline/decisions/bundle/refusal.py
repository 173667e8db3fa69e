"""Why a bundle may not be used, as a code that an operator, a metric and a test can all name."""

from enum import StrEnum

from ledgerline.core.errors import LedgerlineError


class RefusalReason(StrEnum):
    """Every reason for which a bundle's bytes are refused; approvals have their own, beside the signatures."""

    OBJECT_MISSING = "object_missing"  # the manifest, or a file that it names, is not in the object store
    OBJECT_CORRUPT = "object_corrupt"  # its bytes no longer hash to its name, or have another length
    MANIFEST_MALFORMED = "manifest_malformed"  # not the JSON that a manifest is
    FORMAT_UNKNOWN = "format_unknown"  # a manifest version or a model format that this code does not read
    FILE_UNEXPECTED = "file_unexpected"  # a file that no bundle holds: code, pickles, archives, anything else
    FILE_MISSING = "file_missing"  # a file that every bundle holds is not named
    CONTENT_UNSAFE = "content_unsafe"  # a pickle or an archive under an innocent name
    CONTENT_UNREADABLE = "content_unreadable"  # a file that is not what its name says
    FEATURES_DIFFER = "features_differ"  # trained on another definition of the features than the one that serves
    EVIDENCE_CHANGED = "evidence_changed"  # what the log says of its training is no longer what was signed
    FAMILY_DIFFERS = "family_differs"  # another family's model


class BundleRefused(LedgerlineError):
    """A bundle may not be loaded.

    Attributes:
        reason: The code.
    """

    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(f"{message} [{reason.value}]")
        self.reason = reason
