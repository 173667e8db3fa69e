import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from ledgerline.core.identity import canonical_json, sha256_bytes
from ledgerline.core.storage import ObjectStore
from ledgerline.decisions.bundle import BundleRefused, ManifestFields, RefusalReason, load_bundle, write_bundle

Fields = Callable[..., ManifestFields]


def _with_manifest(objects: ObjectStore, digest: str, change: Callable[[dict], None]) -> str:
    """Store a changed manifest, as somebody would who can write to the object store, and return its digest."""
    body = json.loads(objects.get(digest))
    change(body)
    return objects.put(canonical_json(body))


def test_bundle_that_was_written_loads_with_every_byte(objects: ObjectStore, fields: Fields, files: dict[str, bytes]):
    digest = write_bundle(objects, fields(), files)

    bundle = load_bundle(objects, digest)

    assert bundle.digest == digest
    assert bundle.files == files
    assert bundle.fields == fields()
    assert bundle.model_bytes == files["model.ubj"]


def test_digest_is_the_hash_of_the_manifest_and_every_file_is_an_object_under_its_own_hash(
    objects: ObjectStore, fields: Fields, files: dict[str, bytes]
):
    digest = write_bundle(objects, fields(), files)

    manifest = objects.get(digest)
    assert sha256_bytes(manifest) == digest
    assert {name: objects.get(record["sha256"]) for name, record in json.loads(manifest)["files"].items()} == files


def test_the_same_bundle_written_twice_has_one_digest(objects: ObjectStore, fields: Fields, files: dict[str, bytes]):
    reversed_files = dict(reversed(files.items()))
    assert write_bundle(objects, fields(), files) == write_bundle(objects, fields(), reversed_files)


def test_another_threshold_is_another_bundle(objects: ObjectStore, fields: Fields, files: dict[str, bytes]):
    assert write_bundle(objects, fields(), files) != write_bundle(objects, fields(threshold=0.26), files)


@pytest.mark.parametrize("name", ["model.ubj", "evaluation.json", "card.md", "reason_codes.json"])
def test_one_changed_byte_in_any_file_is_refused(
    objects: ObjectStore, fields: Fields, files: dict[str, bytes], name: str
):
    digest = write_bundle(objects, fields(), files)
    path = Path(objects.location(sha256_bytes(files[name])))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)

    with pytest.raises(BundleRefused) as refused:
        load_bundle(objects, digest)
    assert refused.value.reason is RefusalReason.OBJECT_CORRUPT
    assert name in str(refused.value)


def test_missing_file_is_refused(objects: ObjectStore, fields: Fields, files: dict[str, bytes]):
    digest = write_bundle(objects, fields(), files)
    Path(objects.location(sha256_bytes(files["card.md"]))).unlink()

    with pytest.raises(BundleRefused) as refused:
        load_bundle(objects, digest)
    assert refused.value.reason is RefusalReason.OBJECT_MISSING


def test_digest_that_names_nothing_is_refused(objects: ObjectStore):
    with pytest.raises(BundleRefused) as refused:
        load_bundle(objects, "0" * 64)
    assert refused.value.reason is RefusalReason.OBJECT_MISSING


def test_features_of_another_definition_are_refused(objects: ObjectStore, fields: Fields, files: dict[str, bytes]):
    digest = write_bundle(objects, fields(), files)

    assert load_bundle(objects, digest, feature_fingerprint="a" * 64).digest == digest
    with pytest.raises(BundleRefused) as refused:
        load_bundle(objects, digest, feature_fingerprint="d" * 64)
    assert refused.value.reason is RefusalReason.FEATURES_DIFFER


def test_pickle_under_a_models_name_is_refused_on_writing_and_on_loading(
    objects: ObjectStore, fields: Fields, files: dict[str, bytes]
):
    for protocol in range(2, 6):
        with pytest.raises(BundleRefused) as refused:
            write_bundle(objects, fields(), files | {"model.ubj": pickle.dumps({"a": 1}, protocol=protocol)})
        assert refused.value.reason is RefusalReason.CONTENT_UNSAFE

    hidden = pickle.dumps({"a": 1})
    sha256 = objects.put(hidden)

    def plant(body: dict) -> None:
        body["files"]["model.ubj"] = {"sha256": sha256, "bytes": len(hidden)}

    planted = _with_manifest(objects, write_bundle(objects, fields(), files), plant)
    with pytest.raises(BundleRefused) as refused:
        load_bundle(objects, planted)
    assert refused.value.reason is RefusalReason.CONTENT_UNSAFE


@pytest.mark.parametrize("name", ["model.pkl", "preprocess.py", "model.joblib", "../evaluation.json"])
def test_extra_file_is_refused(objects: ObjectStore, fields: Fields, files: dict[str, bytes], name: str):
    with pytest.raises(BundleRefused) as refused:
        write_bundle(objects, fields(), files | {name: b"{}"})
    assert refused.value.reason is RefusalReason.FILE_UNEXPECTED

    extra = {"sha256": objects.put(b"{}"), "bytes": 2}
    digest = write_bundle(objects, fields(), files)
    planted = _with_manifest(objects, digest, lambda body: body["files"].update({name: extra}))
    with pytest.raises(BundleRefused) as refused:
        load_bundle(objects, planted)
    assert refused.value.reason is RefusalReason.FILE_UNEXPECTED


def test_missing_document_is_refused(objects: ObjectStore, fields: Fields, files: dict[str, bytes]):
    del files["card.md"]
    with pytest.raises(BundleRefused) as refused:
        write_bundle(objects, fields(), files)
    assert refused.value.reason is RefusalReason.FILE_MISSING


@pytest.mark.parametrize(
    ("name", "content"), [("evaluation.json", b"{"), ("card.md", b"\xff\xfe"), ("model.ubj", b'{"learner": {}}')]
)
def test_file_that_is_not_what_its_name_says_is_refused(
    objects: ObjectStore, fields: Fields, files: dict[str, bytes], name: str, content: bytes
):
    with pytest.raises(BundleRefused) as refused:
        write_bundle(objects, fields(), files | {name: content})
    assert refused.value.reason is RefusalReason.CONTENT_UNREADABLE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda body: body.update(format="ledgerline-bundle/2"), RefusalReason.FORMAT_UNKNOWN),
        (lambda body: body["model"].update(format="pickle"), RefusalReason.FORMAT_UNKNOWN),
        (lambda body: body["model"].update(format="onnx"), RefusalReason.FORMAT_UNKNOWN),
        (lambda body: body["model"].update(file="other.ubj"), RefusalReason.MANIFEST_MALFORMED),
        (lambda body: body.pop("threshold"), RefusalReason.MANIFEST_MALFORMED),
        (lambda body: body.update(threshold=0.0), RefusalReason.MANIFEST_MALFORMED),
        (lambda body: body.update(threshold=1.5), RefusalReason.MANIFEST_MALFORMED),
        (lambda body: body.update(features=[]), RefusalReason.MANIFEST_MALFORMED),
        (lambda body: body.update(files=[]), RefusalReason.MANIFEST_MALFORMED),
        (lambda body: body["files"]["card.md"].update(sha256="../../etc/passwd"), RefusalReason.MANIFEST_MALFORMED),
        (lambda body: body["files"]["card.md"].update(bytes=9), RefusalReason.OBJECT_CORRUPT),
    ],
)
def test_manifest_that_is_not_one_is_refused(
    objects: ObjectStore,
    fields: Fields,
    files: dict[str, bytes],
    change: Callable[[dict], None],
    reason: RefusalReason,
):
    digest = write_bundle(objects, fields(), files)
    if reason is RefusalReason.OBJECT_CORRUPT:
        assert len(files["card.md"]) != 9

    with pytest.raises(BundleRefused) as refused:
        load_bundle(objects, _with_manifest(objects, digest, change))
    assert refused.value.reason is reason


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"format": 1}', b"\x80\x04."])
def test_bytes_that_are_no_manifest_are_refused(objects: ObjectStore, content: bytes):
    with pytest.raises(BundleRefused):
        load_bundle(objects, objects.put(content))
