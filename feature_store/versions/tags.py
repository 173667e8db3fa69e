"""What names a sealed version in git, and which files stand behind the name."""

from collections.abc import Mapping

from feature_store.versions.git import Git
from feature_store.versions.remote import TrackedFile, tracked_files

TAG_PREFIX = "evidence"
_TAG_DIGITS = 16


def tag_of(view: str, version: str) -> str:
    """Return the tag of a version, e.g. ``evidence/card_spending/0f3c…``."""
    return f"{TAG_PREFIX}/{view}/{version[:_TAG_DIGITS]}"


def files_at(git: Git, commit: str, files: Mapping[str, str]) -> list[TrackedFile]:
    """Return the files, given by path and SHA-256, with the names under which DVC keeps them at a commit."""
    contents = git.read(*(f"{commit}:{path}.dvc" for path in files))
    return tracked_files(files, dict(zip(files, contents, strict=True)))
