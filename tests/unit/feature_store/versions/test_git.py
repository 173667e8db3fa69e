"""Git is run alike on every machine, and its answers are read byte for byte."""

import subprocess
from datetime import UTC, datetime

import pytest

from feature_store.errors import GitFailed
from feature_store.versions.git import Git


@pytest.fixture
def git(tmp_path):
    subprocess.run(["git", "init", "--quiet", "-b", "main"], cwd=tmp_path, check=True)
    return Git(tmp_path)


def commit(git, name, content):
    (git.root / name).write_bytes(content)
    git.run("add", "--", name)
    git.run("commit", "--quiet", "-m", name)


def test_objects_are_read_byte_for_byte_and_missing_ones_are_none(git):
    contents = {"empty": b"", "lines": b"one\ntwo\n", "no end": b"one", "binary": bytes(range(256)) * 3}
    for name, content in contents.items():
        commit(git, name, content)

    read = git.read(*(f"HEAD:{name}" for name in contents), "HEAD:absent", "HEAD:lines")

    assert read == [*contents.values(), None, b"one\ntwo\n"]


def test_reading_nothing_gives_nothing(git):
    assert git.read() == []


def test_failed_command_says_which_and_why(git):
    with pytest.raises(GitFailed, match=r"git checkout nowhere.*did not match"):
        git.run("checkout", "nowhere")


def test_question_that_git_answers_with_an_error_is_none(git):
    assert git.answers("rev-parse", "--verify", "HEAD") is None
    assert git.commit("HEAD") is None


def test_commits_are_dated_as_told(git):
    dated = git.at(datetime(2018, 10, 1, 12, tzinfo=UTC))

    commit(dated, "file", b"")

    assert git.run("show", "-s", "--format=%aI %cI") == "2018-10-01T12:00:00+00:00 2018-10-01T12:00:00+00:00"


def test_hooks_of_the_repository_do_not_run(git):
    hook = git.root / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    commit(git, "file", b"")

    assert git.commit("HEAD")
