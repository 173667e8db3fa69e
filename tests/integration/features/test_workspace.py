"""The workspace's code follows the project, which is never written; data stays on its own branch."""

import shutil
import subprocess

import pytest

from feature_store.versions.git import COMMITTER_EMAIL, Git
from ledgerline.core.settings import Settings
from pipelines.features import build
from pipelines.features.workspace import Workspace

VIEW = "card_spending"
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC


@pytest.fixture
def workspace(ledger):
    return Workspace(ledger.settings, ledger.clock)


def quant(project, *command):
    configuration = ["-c", "user.name=Quant", "-c", "user.email=quant@example.com"]
    subprocess.run(["git", *configuration, *command], cwd=project, check=True, capture_output=True)


def test_clean_project_is_followed_by_its_own_commit(workspace, project):
    head = workspace.prepare()

    assert workspace.git.run("rev-parse", "HEAD^1") == Git(project).run("rev-parse", "HEAD")
    assert workspace.git.run("symbolic-ref", "--short", "HEAD") == "data"
    assert workspace.git.read(f"{head}:model.py") == [b"EXPONENT = 1\n"]


def test_uncommitted_edit_is_a_snapshot_on_top_of_the_projects_commit(workspace, project):
    (project / "model.py").write_text("EXPONENT = 2\n")
    (project / "new.py").write_text("NEW = True\n")
    (project / "debug.log").write_text("ignored")

    head = workspace.prepare()

    assert workspace.git.read(f"{head}:model.py", f"{head}:new.py") == [b"EXPONENT = 2\n", b"NEW = True\n"]
    assert workspace.git.read(f"{head}:debug.log") == [None]
    assert workspace.git.run("rev-parse", f"{head}^1^") == Git(project).run("rev-parse", "HEAD")
    assert (workspace.path / "model.py").read_text() == "EXPONENT = 2\n"


def test_deleted_file_leaves_the_workspace_too(workspace, project):
    (project / "old.py").write_text("")
    workspace.prepare()
    (project / "old.py").unlink()

    workspace.prepare()

    assert not (workspace.path / "old.py").exists()


def test_project_repository_is_never_written(workspace, project, fingerprints):
    (project / "model.py").write_text("EXPONENT = 3\n")
    (project / "untracked.py").write_text("")
    before = fingerprints(project)

    workspace.prepare()

    assert fingerprints(project) == before


def test_following_again_without_a_change_makes_no_commit(workspace, project):
    (project / "model.py").write_text("EXPONENT = 2\n")
    first = workspace.prepare()

    assert workspace.prepare() == first


def test_commit_that_changes_no_file_is_followed_all_the_same(workspace, project):
    (project / "model.py").write_text("EXPONENT = 2\n")
    snapshotted = workspace.prepare()
    quant(project, "commit", "--quiet", "--all", "-m", "Square it")

    head = workspace.prepare()

    parents = workspace.git.run("rev-parse", f"{head}^@").splitlines()
    assert parents == [snapshotted, Git(project).run("rev-parse", "HEAD")]


def test_history_that_was_rewritten_is_followed_without_losing_the_old_one(workspace, project):
    first = workspace.prepare()
    (project / "model.py").write_text("EXPONENT = 9\n")
    quant(project, "commit", "--quiet", "--all", "--amend", "-m", "Begin again")

    head = workspace.prepare()

    assert workspace.git.answers("merge-base", "--is-ancestor", first, head) is not None
    assert workspace.git.read(f"{head}:model.py") == [b"EXPONENT = 9\n"]


def test_code_moves_on_under_sealed_data(ledger, workspace, project, deliver, midnights):
    deliver(ledger, 0, 3)
    sealed = build(ledger, VIEW, as_of=midnights(3))
    (project / "model.py").write_text("EXPONENT = 2\n")

    head = workspace.prepare()

    assert workspace.git.run("rev-parse", f"{head}:data") == workspace.git.run("rev-parse", f"{sealed.commit}:data")
    assert workspace.git.read(f"{sealed.commit}:model.py", f"{head}:model.py") == [b"EXPONENT = 1\n", b"EXPONENT = 2\n"]
    assert workspace.git.run("status", "--porcelain") == ""


def test_plain_folder_without_git_is_snapshotted(tmp_path, ledger):
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "model.py").write_text("EXPONENT = 1\n")
    workspace = Workspace(Settings(home=tmp_path / "plain-home", project=folder), ledger.clock)

    head = workspace.prepare()

    assert workspace.git.read(f"{head}:model.py") == [b"EXPONENT = 1\n"]
    assert not (folder / ".git").exists()


def test_state_inside_the_project_is_not_code(project, ledger):
    settings = Settings(home=project / ".state", project=project, data=project / "my-files")
    (project / "my-files").mkdir()
    (project / "my-files" / "payments.csv").write_text("1,2,3\n")
    workspace = Workspace(settings, ledger.clock)

    workspace.prepare()
    head = workspace.prepare()

    tracked = workspace.git.run("ls-tree", "-r", "--name-only", head)
    assert ".state" not in tracked
    assert "my-files" not in tracked
    assert "model.py" in tracked


def test_accepted_files_written_before_the_clone_survive_it(ledger, workspace, deliver, fingerprints):
    deliver(ledger, 0, 3)
    before = fingerprints(workspace.path)

    workspace.prepare()

    assert before.items() <= fingerprints(workspace.path).items()
    assert workspace.git.run("status", "--porcelain") == ""


def test_commits_are_ours_whoever_is_logged_in_and_dated_by_the_clock(workspace, project, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "somebody@example.com")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (project / "model.py").write_text("EXPONENT = 2\n")

    head = workspace.prepare()

    for commit in (head, f"{head}^1"):
        assert workspace.git.run("show", "-s", "--format=%ae %ce", commit) == f"{COMMITTER_EMAIL} {COMMITTER_EMAIL}"
        assert workspace.git.run("show", "-s", "--format=%aI", commit).startswith("2024-06-09T00:00:00")


def test_remote_that_was_moved_is_what_clones_pull_from(ledger, workspace, project, tmp_path):
    workspace.prepare()
    moved = Settings(home=ledger.settings.home, project=project, dvc_remote=str(tmp_path / "moved"))

    head = Workspace(moved, ledger.clock).prepare()

    (configuration,) = workspace.git.read(f"{head}:.dvc/config")
    assert f"url = {tmp_path / 'moved'}".encode() in configuration
    assert b"verify = true" in configuration


def test_half_made_clone_is_completed(workspace, project):
    """What a kill between ``git init`` and the first commit leaves."""
    workspace.path.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet"], cwd=workspace.path, check=True)
    (workspace.path / ".git" / "index.lock").touch()
    (workspace.path / ".git" / "shallow.lock").touch()
    workspace._busy.touch()

    with workspace.locked():
        head = workspace.prepare()

    assert workspace.git.read(f"{head}:model.py") == [b"EXPONENT = 1\n"]
    assert workspace.git.run("status", "--porcelain") == ""


def test_half_made_clone_within_the_project_is_not_taken_for_the_project(project, ledger, fingerprints):
    workspace = Workspace(Settings(home=project / ".ledgerline", project=project), ledger.clock)
    (workspace.path / ".git").mkdir(parents=True)
    workspace._busy.touch()
    before = fingerprints(project / ".git")

    with workspace.locked():
        head = workspace.prepare()

    assert workspace.git.read(f"{head}:model.py") == [b"EXPONENT = 1\n"]
    assert fingerprints(project / ".git") == before


def test_what_a_killed_process_left_is_cleared_away(ledger, workspace, deliver, midnights):
    deliver(ledger, 0, 3)
    build(ledger, VIEW, as_of=midnights(3))
    accepted = sorted(workspace.path.glob("data/accepted/*/*.parquet"))
    for lock in (".git/index.lock", ".git/refs/heads/data.lock", ".dvc/tmp/rwlock.lock"):
        (workspace.path / lock).touch()
    (workspace.path / ".dvc/tmp/rwlock").write_text('{"cut": ')
    (workspace.path / "data/features/card_spending/half.parquet.dvc").write_text("outs:\n")
    manifest = workspace.path / "data/features/card_spending/manifest.json"
    manifest.write_text("{")
    workspace._busy.touch()
    deliver(ledger, 3, 4)

    version = build(ledger, VIEW, as_of=midnights(4))

    assert version.partitions == 4
    assert workspace.git.run("status", "--porcelain") == ""
    assert not workspace._busy.exists()
    assert all(path.exists() for path in accepted)


def test_clone_of_a_shallow_project_works(tmp_path, project, ledger):
    (project / "model.py").write_text("EXPONENT = 2\n")
    quant(project, "commit", "--quiet", "--all", "-m", "Square it")
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{project}", str(shallow)], check=True)
    workspace = Workspace(Settings(home=tmp_path / "shallow-home", project=shallow), ledger.clock)

    head = workspace.prepare()

    assert workspace.git.read(f"{head}:model.py") == [b"EXPONENT = 2\n"]


def test_project_whose_git_history_is_broken_is_snapshotted(tmp_path, project, ledger):
    shutil.rmtree(project / ".git" / "objects")
    workspace = Workspace(Settings(home=tmp_path / "broken-home", project=project), ledger.clock)

    head = workspace.prepare()

    assert workspace.git.read(f"{head}:model.py") == [b"EXPONENT = 1\n"]
