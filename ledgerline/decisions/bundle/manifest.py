"""The bundle's table of contents: the one JSON document whose SHA-256 is the bundle's digest."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ledgerline.core.identity import canonical_json
from ledgerline.decisions.bundle.refusal import BundleRefused, RefusalReason

BUNDLE_FORMAT = "ledgerline-bundle/1"


class ModelFormat(StrEnum):
    """The model formats that are loaded: data that a native library reads, never code."""

    XGBOOST_UBJ = "xgboost_ubj"
    LIGHTGBM_TEXT = "lightgbm_text"
    FORECAST_JSON = "forecast_json"  # how to forecast a series, with LightGBM's text inside: see decisions/forecast


MODEL_FILES: Mapping[ModelFormat, str] = {
    ModelFormat.XGBOOST_UBJ: "model.ubj",
    ModelFormat.LIGHTGBM_TEXT: "model.txt",
    ModelFormat.FORECAST_JSON: "model.json",
}


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a bundle.

    Attributes:
        sha256: Its name in the object store.
        bytes: Its length.
    """

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ManifestFields:
    """What a manifest says besides its files. Nothing here may differ when the same training is repeated.

    Attributes:
        family: Which family decides with it, e.g. ``"fraud"``.
        feature_view: Name of the view whose features it was trained on.
        feature_fingerprint: The view's definition at training, compared with the serving view's at load.
        features: Names of the model's inputs, in the model's order.
        threshold: Probability from which the verdict is an alert, in (0, 1]; None where a policy decides.
        model_format: How the model file is read.
        training_set: Leaf id of the training set.
        training_run: Leaf id of the training run.
    """

    family: str
    feature_view: str
    feature_fingerprint: str
    features: tuple[str, ...]
    threshold: float | None
    model_format: ModelFormat
    training_set: str
    training_run: str

    @property
    def model_file(self) -> str:
        """Name of the file that holds the model."""
        return MODEL_FILES[self.model_format]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest.

    Attributes:
        fields: What it says about the model.
        files: The bundle's files by name; ``manifest.json`` itself is not among them.
    """

    fields: ManifestFields
    files: Mapping[str, FileRecord]

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON; the SHA-256 of these bytes is the bundle's digest."""
        body = {name: value for name, value in asdict(self.fields).items() if name != "model_format"}
        return canonical_json(
            body
            | {
                "format": BUNDLE_FORMAT,
                "features": list(self.fields.features),
                "model": {"file": self.fields.model_file, "format": self.fields.model_format.value},
                "files": {name: asdict(record) for name, record in self.files.items()},
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """Decode a manifest.

        Raises:
            BundleRefused: It is not a manifest, or one of a version or model format that this code does not read.
        """
        try:
            body = json.loads(content)
            if body["format"] != BUNDLE_FORMAT:
                raise BundleRefused(RefusalReason.FORMAT_UNKNOWN, f"the manifest's format is {body['format']!r}")
            return cls(_fields(body), {name: _file(record) for name, record in body["files"].items()})
        except (ValueError, KeyError, TypeError, AttributeError) as malformed:
            raise BundleRefused(
                RefusalReason.MANIFEST_MALFORMED, f"this is not a bundle's manifest: {malformed!r}; export it again"
            ) from malformed


def _fields(body: dict[str, Any]) -> ManifestFields:
    model = body["model"]
    if model["format"] not in set(ModelFormat):
        raise BundleRefused(RefusalReason.FORMAT_UNKNOWN, f"no model of format {model['format']!r} is ever loaded")
    fields = ManifestFields(
        **{name: _text(body, name) for name in ("family", "feature_view", "feature_fingerprint")},
        features=tuple(body["features"]),
        threshold=None if body["threshold"] is None else float(body["threshold"]),
        model_format=ModelFormat(model["format"]),
        training_set=_text(body, "training_set"),
        training_run=_text(body, "training_run"),
    )
    if model["file"] != fields.model_file:
        raise ValueError(f"a {fields.model_format} model is called {fields.model_file}, not {model['file']!r}")
    if not fields.features or not all(isinstance(name, str) for name in fields.features):
        raise ValueError("features must be names")
    if fields.threshold is not None and not (math.isfinite(fields.threshold) and 0 < fields.threshold <= 1):
        raise ValueError(f"threshold {fields.threshold} is no probability above 0")
    return fields


def _text(body: dict[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text")
    return value


def _file(record: dict[str, Any]) -> FileRecord:
    sha256, length = record["sha256"], record["bytes"]
    if not isinstance(sha256, str) or len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise ValueError(f"{sha256!r} is no SHA-256")
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise ValueError(f"{length!r} is no length")
    return FileRecord(sha256, length)
