"""Run git, the same on every machine: no hooks, no signing, no prompts, nobody's global identity."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from feature_store.errors import GitFailed
from ledgerline.core.clock import instant_text

COMMITTER_NAME = "Ledgerline"
COMMITTER_EMAIL = "ledgerline@localhost"

_CONFIGURATION = (
    f"user.name={COMMITTER_NAME}",
    f"user.email={COMMITTER_EMAIL}",
    "commit.gpgSign=false",
    "core.autocrlf=false",
    "core.hooksPath=/dev/null",
    "core.fsync=committed",
    "core.fsyncMethod=batch",
    "gc.auto=0",
    "advice.detachedHead=false",
)


@dataclass(frozen=True, slots=True)
class Git:
    """A repository to run git in.

    Attributes:
        root: Its working tree.
        environment: Variables added for every command, e.g. ``GIT_INDEX_FILE``.
        holding: File descriptors that every command keeps open: a lock on them outlives a caller that is killed for as
            long as its command still writes.
    """

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    holding: tuple[int, ...] = ()

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run one command and return what it printed, without the last line's end.

        Raises:
            GitFailed: With the command and what it said.
        """
        completed = self._start(*arguments, stdin=stdin)
        if completed.returncode:
            said = completed.stderr.decode(errors="replace").strip()
            raise GitFailed(f"`git {' '.join(arguments[:4])}` in {self.root} failed: {said}")
        return completed.stdout.decode().rstrip("\n")

    def answers(self, *arguments: str) -> str | None:
        """Run one command and return what it printed, or None where it failed: for questions that allow a no."""
        completed = self._start(*arguments)
        return None if completed.returncode else completed.stdout.decode().rstrip("\n")

    def read(self, *names: str) -> list[bytes | None]:
        """Return the bytes of each object, e.g. ``HEAD:params.yaml``; None for one that does not exist."""
        completed = self._start("cat-file", "--batch", stdin="".join(f"{name}\n" for name in names))
        if completed.returncode:
            raise GitFailed(
                f"`git cat-file` in {self.root} failed: {completed.stderr.decode(errors='replace').strip()}"
            )
        return _batch_contents(completed.stdout, len(names))

    def commit(self, name: str) -> str | None:
        """Return the full id of the commit that ``name`` stands for, or None."""
        return self.answers("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    def at(self, moment: datetime) -> "Git":
        """Return the same repository with commits dated ``moment``."""
        text = instant_text(moment)
        return self.with_environment({"GIT_AUTHOR_DATE": text, "GIT_COMMITTER_DATE": text})

    def with_environment(self, more: Mapping[str, str]) -> "Git":
        """Return the same repository with more variables set."""
        return replace(self, environment={**self.environment, **more})

    def _start(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[bytes]:
        configuration = [part for setting in _CONFIGURATION for part in ("-c", setting)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        alone = {
            "GIT_CEILING_DIRECTORIES": str(self.root.parent),  # a half-made clone within the project is not the project
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        return subprocess.run(
            ["git", *configuration, *arguments],
            cwd=self.root,
            env={**inherited, **alone, **self.environment},
            input=b"" if stdin is None else stdin.encode(),
            capture_output=True,
            check=False,
            pass_fds=self.holding,
        )


def _batch_contents(output: bytes, count: int) -> list[bytes | None]:
    """Split what ``git cat-file --batch`` printed: a header line, the bytes and a line's end for each object."""
    contents: list[bytes | None] = []
    position = 0
    for _ in range(count):
        header_end = output.index(b"\n", position)
        header = output[position:header_end].split(b" ")
        position = header_end + 1
        if header[-1] == b"missing":
            contents.append(None)
            continue
        size = int(header[-1])
        contents.append(output[position : position + size])
        position += size + 1
    return contents
