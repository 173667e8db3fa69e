"""Write a bundle into the object store and load it again, every byte checked."""

from collections.abc import Mapping
from dataclasses import dataclass

from ledgerline.core.identity import sha256_bytes
from ledgerline.core.storage import ObjectCorrupt, ObjectMissing, ObjectStore
from ledgerline.decisions.bundle.content import check_content, check_names
from ledgerline.decisions.bundle.manifest import FileRecord, Manifest, ManifestFields
from ledgerline.decisions.bundle.refusal import BundleRefused, RefusalReason


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded bundle whose every byte was checked.

    Attributes:
        digest: SHA-256 of the manifest's bytes: the bundle's name everywhere.
        manifest: What it says.
        files: The checked bytes of its files, by name.
    """

    digest: str
    manifest: Manifest
    files: Mapping[str, bytes]

    @property
    def fields(self) -> ManifestFields:
        """What the manifest says about the model."""
        return self.manifest.fields

    @property
    def model_bytes(self) -> bytes:
        """The model file's bytes."""
        return self.files[self.fields.model_file]


def write_bundle(objects: ObjectStore, fields: ManifestFields, files: Mapping[str, bytes]) -> str:
    """Store a bundle and return its digest; the same bundle again changes nothing.

    The manifest is stored last: a digest that can be read names files that are all there.

    Args:
        objects: Where every file and the manifest become objects.
        fields: What the manifest says besides its files.
        files: Exactly the model file and the family's documents (``DOCUMENT_FILES`` in :mod:`.content`).

    Raises:
        BundleRefused: Other files than these, or contents that a load would refuse.
    """
    check_names(set(files), family=fields.family, model_file=fields.model_file)
    for name, content in files.items():
        check_content(name, content)
    manifest = Manifest(fields, {name: FileRecord(sha256_bytes(body), len(body)) for name, body in files.items()})
    encoded = manifest.to_bytes()
    Manifest.from_bytes(encoded)  # what cannot be read again is refused now, not on the night it is deployed
    for content in files.values():
        objects.put(content)
    return objects.put(encoded)


def load_bundle(objects: ObjectStore, digest: str, *, feature_fingerprint: str | None = None) -> Bundle:
    """Load the bundle of that digest.

    Args:
        objects: Where its files are.
        digest: SHA-256 of its manifest.
        feature_fingerprint: Fingerprint of the view that will feed it; None where nothing is scored.

    Raises:
        BundleRefused: With the reason: bytes missing, changed, unexpected or unreadable, or features that differ.
    """
    manifest = Manifest.from_bytes(_checked(objects, digest, what="manifest.json"))
    check_names(set(manifest.files), family=manifest.fields.family, model_file=manifest.fields.model_file)
    trained_on = manifest.fields.feature_fingerprint
    if feature_fingerprint is not None and feature_fingerprint != trained_on:
        raise BundleRefused(
            RefusalReason.FEATURES_DIFFER,
            f"bundle {digest} was trained on {manifest.fields.feature_view} {trained_on}, and the view that serves is "
            f"{feature_fingerprint}; train again on the present definition",
        )
    files = {}
    for name, record in manifest.files.items():
        content = _checked(objects, record.sha256, what=name)
        if len(content) != record.bytes:
            raise BundleRefused(
                RefusalReason.OBJECT_CORRUPT, f"{name} has {len(content)} bytes, the manifest says {record.bytes}"
            )
        check_content(name, content)
        files[name] = content
    return Bundle(digest, manifest, files)


def _checked(objects: ObjectStore, sha256: str, *, what: str) -> bytes:
    try:
        return objects.get(sha256)
    except ObjectMissing as missing:
        raise BundleRefused(RefusalReason.OBJECT_MISSING, f"{what}: {missing}") from missing
    except ObjectCorrupt as corrupt:
        raise BundleRefused(RefusalReason.OBJECT_CORRUPT, f"{what}: {corrupt}") from corrupt
