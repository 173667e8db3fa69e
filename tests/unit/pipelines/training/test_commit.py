"""Whose code a training ran from, as git wrote it down."""

import os
import subprocess
from pathlib import Path

import pytest

from pipelines.training.commit import code_commit

ADA = {"name": "Ada Lovelace", "email": "ada@example.org"}
BOB = {"name": "Bob Böhm", "email": "bob@example.org"}
CYD = {"name": "Cyd O'Neil", "email": "12+cyd@users.noreply.example.org"}


def git(project: Path, *arguments: str, author: dict[str, str] = ADA) -> str:
    people = {
        f"GIT_{role}_{field.upper()}": value
        for role, person in (("AUTHOR", author), ("COMMITTER", BOB))
        for field, value in person.items()
    }
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    environment = {**os.environ, **people, **alone}
    completed = subprocess.run(
        ["git", *arguments], cwd=project, env=environment, check=True, capture_output=True, text=True
    )
    return completed.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "fit.py").write_text("trees = 20\n")
    git(tmp_path, "add", "fit.py")
    return tmp_path


def test_a_commit_names_its_author_and_its_committer(project: Path):
    git(project, "commit", "-m", "Fit twenty trees")
    expected = {"commit": git(project, "rev-parse", "HEAD"), "commit_authors": [ADA], "commit_committer": BOB}
    assert code_commit(project) == expected


def test_co_authors_are_authors(project: Path):
    trailer = f"Co-authored-by: {CYD['name']} <{CYD['email']}>"
    git(project, "commit", "-m", "Fit twenty trees", "-m", f"{trailer}\nReviewed-by: Dot <dot@example.org>")
    assert code_commit(project)["commit_authors"] == [ADA, CYD]


def test_a_mailmap_does_not_turn_an_author_into_somebody_else(project: Path):
    (project / ".mailmap").write_text("Nobody <nobody@example.org> <ada@example.org>\n")
    git(project, "commit", "-m", "Fit twenty trees")
    git(project, "config", "log.mailmap", "true")
    assert code_commit(project)["commit_authors"] == [ADA]


def test_a_replacement_object_does_not_turn_an_author_into_somebody_else(project: Path):
    git(project, "commit", "-m", "Fit twenty trees")
    other = git(project, "commit-tree", "HEAD^{tree}", "-m", "Fit twenty trees", author=CYD)
    git(project, "replace", "HEAD", other)
    assert git(project, "show", "-s", "--format=%an") == CYD["name"]
    assert code_commit(project)["commit_authors"] == [ADA]


def test_a_plain_folder_has_no_commit_even_within_somebody_elses_checkout(project: Path):
    git(project, "commit", "-m", "Fit twenty trees")
    (project / "copy").mkdir()
    assert code_commit(project / "copy") == {"commit": None}


def test_a_checkout_without_a_commit_has_none(project: Path):
    assert code_commit(project) == {"commit": None}
