"""Which commit a training ran from, and who wrote and committed it: they may not sign for what comes of it."""

from pathlib import Path
from typing import Any

from feature_store.versions.git import Git

# As written, not as a .mailmap or a replacement object would have it: either could turn one person into another.
_AS_WRITTEN = ("--no-replace-objects", "show", "--no-patch", "--no-show-signature")
_FORMAT = "--format=%H%x00%an%x00%ae%x00%cn%x00%ce%x00%(trailers:key=Co-authored-by,valueonly,unfold)"
PEOPLE = ("commit_authors", "commit_committer")


def code_commit(project: Path) -> dict[str, Any]:
    """Return the checkout's commit, for a training run's detail; the code's identity is its fingerprint.

    Uncommitted edits are on nobody's record; whoever ran the training answers for them.

    Args:
        project: A git checkout, or a plain folder, which has no commit.

    Returns:
        ``commit``, ``commit_authors`` (``name`` and ``email`` of the author and of each ``Co-authored-by``) and
        ``commit_committer``; ``{"commit": None}`` for a plain folder.
    """
    said = Git(project).answers(*_AS_WRITTEN, _FORMAT, "HEAD") if (project / ".git").exists() else None
    if said is None:
        return {"commit": None}
    commit, author, email, committer, committer_email, trailers = said.split("\0", 5)
    co_authors = [_co_author(line) for line in trailers.splitlines() if line.strip()]
    return {
        "commit": commit,
        "commit_authors": [{"name": author, "email": email}, *co_authors],
        "commit_committer": {"name": committer, "email": committer_email},
    }


def _co_author(trailer: str) -> dict[str, str]:
    name, _, email = trailer.partition("<")
    return {"name": name.strip(), "email": email.rpartition(">")[0].strip()}
