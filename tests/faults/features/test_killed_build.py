"""A build that is killed anywhere, or runs twice at once, ends in the evidence of one that was left alone."""

import fcntl
import multiprocessing
import os
import runpy
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ledgerline.audit import Kind
from ledgerline.audit.verify import entries_holding
from pipelines.features import build, restore, versions
from pipelines.features.workspace import Workspace

VIEW = "card_spending"
SCRIPT = Path(__file__).with_name("build_once.py")
DAYS = 4
DEADLINE_SECONDS = 120
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["pipelines.features.build", "dvc.repo"])


@dataclass(frozen=True)
class Undisturbed:
    """What a build that nobody disturbed leaves.

    Attributes:
        version: The version's id.
        files: Every file of features, by its hash.
        effects: How many effects it had.
    """

    version: str
    files: dict[str, str]
    effects: int


@pytest.fixture
def start(project, midnights):
    """Start a build of a home in another process."""

    def start_(home, *, dies_at=None, view=VIEW):
        arguments = {
            "home": home,
            "project": project,
            "now": midnights(100),
            "as_of": midnights(DAYS),
            "dies_at": dies_at,
            "view": view,
        }
        process = _processes.Process(
            target=runpy.run_path, args=(str(SCRIPT),), kwargs={"init_globals": {"arguments": arguments}}
        )
        process.start()
        return process

    return start_


@pytest.fixture
def undisturbed(open_home, deliver, start, fingerprints, tmp_path) -> Undisturbed:
    """Accept some days into a template home, and build a copy of it in peace."""
    deliver(open_home("template"), 0, DAYS - 1)
    deliver(open_home("template"), DAYS - 1, DAYS)
    home = tmp_path / "undisturbed"
    shutil.copytree(tmp_path / "template", home)
    process = start(home)
    process.join(DEADLINE_SECONDS)
    assert process.exitcode == 0
    (leaf,) = versions(open_home("undisturbed"), VIEW)
    return Undisturbed(leaf.id, fingerprints(home / "workspace" / "data"), int((home / "effects").read_text()))


@pytest.fixture
def check(open_home, midnights, fingerprints, undisturbed):
    """Build again after a kill, and compare what is there with what an undisturbed build leaves."""

    def check_(name):
        ledger = open_home(name)
        version = build(ledger, VIEW, as_of=midnights(DAYS))
        workspace = Workspace(ledger.settings, ledger.clock)
        assert version.id == undisturbed.version
        assert fingerprints(workspace.path / "data") == undisturbed.files
        assert [leaf.id for leaf in versions(ledger, VIEW)] == [version.id]
        assert workspace.git.run("tag") == version.tag
        assert workspace.git.run("status", "--porcelain") == ""
        assert workspace.git.answers("fsck", "--strict", "--no-dangling") is not None
        assert len(restore(ledger, version.id, ledger.settings.home / "restored")) == DAYS + 1
        entries_holding(ledger.log)

    return check_


def kill_and_check(start, check, tmp_path, effect):
    name = f"killed-at-{effect}"
    shutil.copytree(tmp_path / "template", tmp_path / name)
    process = start(tmp_path / name, dies_at=effect)
    process.join(DEADLINE_SECONDS)
    assert process.exitcode == -9, f"effect {effect} was never reached"
    check(name)


def test_killed_before_an_effect_the_next_build_ends_as_if_undisturbed(undisturbed, start, check, tmp_path):
    points = 9
    for step in range(points):
        kill_and_check(start, check, tmp_path, effect=1 + step * (undisturbed.effects - 1) // (points - 1))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_before_any_effect_the_next_build_ends_as_if_undisturbed(undisturbed, start, check, tmp_path):
    for effect in range(1, undisturbed.effects + 1):
        kill_and_check(start, check, tmp_path, effect)
        shutil.rmtree(tmp_path / f"killed-at-{effect}")


@pytest.mark.slow
def test_killed_again_and_again_at_any_moment_a_build_still_ends_as_if_undisturbed(undisturbed, start, check, tmp_path):
    moments = np.random.default_rng(17)
    for attempt in range(5):
        name = f"unlucky-{attempt}"
        shutil.copytree(tmp_path / "template", tmp_path / name)
        for _ in range(6):
            process = start(tmp_path / name)
            process.join(moments.uniform(0.05, 1.5))
            process.kill()
            process.join(DEADLINE_SECONDS)
        check(name)


def test_two_builds_at_once_end_in_one_version(undisturbed, start, check, open_home, tmp_path):
    shutil.copytree(tmp_path / "template", tmp_path / "twice")

    both = [start(tmp_path / "twice") for _ in range(2)]
    for process in both:
        process.join(DEADLINE_SECONDS)

    assert [process.exitcode for process in both] == [0, 0]
    check("twice")
    assert len(open_home("twice").log.leaves(Kind.FEATURE_VERSION)) == 1


def test_lock_outlives_a_killed_builder_for_as_long_as_its_git_command_runs(ledger, tmp_path):
    """Otherwise whoever comes next would clear away the locks of a command that still writes."""
    workspace = Workspace(ledger.settings, ledger.clock)
    with workspace.locked():
        workspace.prepare()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    arguments = {"home": ledger.settings.home, "project": ledger.settings.project, "pipe": pipe}
    script = str(SCRIPT.with_name("hold_lock.py"))
    holder = _processes.Process(
        target=runpy.run_path, args=(script,), kwargs={"init_globals": {"arguments": arguments}}
    )
    holder.start()

    with pipe.open("w"):  # opens once the command reads
        holder.kill()
        holder.join(DEADLINE_SECONDS)
        with (tmp_path / "home" / ".workspace.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with workspace.locked():
        assert workspace.git.run("status", "--porcelain") == ""


@pytest.fixture
def ledger_figures():
    """Two years of monthly figures."""
    months = [datetime(2022 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(24)]
    return pl.DataFrame(
        {
            "entity_id": ["north"] * 24,
            "account": ["revenue"] * 24,
            "amount": [100.0 + month for month in range(24)],
            "category": pl.Series([None] * 24, dtype=pl.String),
            "event_time": months,
            "available_at": months,
        },
        schema_overrides=dict.fromkeys(("event_time", "available_at"), pl.Datetime("us", "UTC")),
    )


def test_build_of_a_table_view_that_is_killed_goes_on_as_if_undisturbed(
    open_home, accept, ledger_figures, start, midnights, fingerprints, tmp_path
):
    suite = open_home("template").settings.project / "great_expectations" / "expectations" / "ledger.json"
    if not suite.exists():
        suite.write_text('{"expectations": [], "meta": {"max_quarantined_share": 1.0}}')
    accept(open_home("template"), "ledger", ledger_figures)

    def build_copy(name, *, dies_at=None):
        shutil.copytree(tmp_path / "template", tmp_path / name)
        process = start(tmp_path / name, dies_at=dies_at, view="ledger_monthly")
        process.join(DEADLINE_SECONDS)
        return process.exitcode

    assert build_copy("whole") == 0
    effects = int((tmp_path / "whole" / "effects").read_text())
    (expected,) = versions(open_home("whole"), "ledger_monthly")
    files = fingerprints(tmp_path / "whole" / "workspace" / "data")
    for share in (0.25, 0.6, 0.95):
        name = f"killed-{share}"
        assert build_copy(name, dies_at=int(effects * share)) == -9
        ledger = open_home(name)
        version = build(ledger, "ledger_monthly", as_of=midnights(DAYS))
        assert version.id == expected.id
        assert fingerprints(tmp_path / name / "workspace" / "data") == files
        assert Workspace(ledger.settings, ledger.clock).git.run("status", "--porcelain") == ""
        assert [leaf.id for leaf in versions(ledger, "ledger_monthly")] == [expected.id]
