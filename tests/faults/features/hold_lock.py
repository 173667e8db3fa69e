"""A process that holds the workspace while a git command of its own waits for somebody to write to a pipe."""

from typing import Any

from ledgerline.core.clock import SystemClock
from ledgerline.core.settings import Settings
from pipelines.features.workspace import Workspace

ARGUMENTS: dict[str, Any] = globals()["arguments"]

workspace = Workspace(Settings(home=ARGUMENTS["home"], project=ARGUMENTS["project"]), SystemClock())
with workspace.locked():
    workspace.git.run("-c", f"alias.wait=!cat {ARGUMENTS['pipe']} >&2", "wait")
