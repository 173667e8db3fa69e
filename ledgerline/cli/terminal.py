"""What the verbs share: the terminal they write to, and the installation they work on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ledgerline.core.settings import Settings

if TYPE_CHECKING:
    from ledgerline.audit import Ledger

_FILE_COLUMNS = 160  # a log or a pipe has no width of its own, and tables cut to 80 columns lose their reasons

OUT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _FILE_COLUMNS)
ERROR = Console(stderr=True, highlight=False, soft_wrap=True)

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="LEDGERLINE_DATA",
        help="Folder of source files. Without it: the simulated world.",
        show_default=False,
    ),
]
MappingOption = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        envvar="LEDGERLINE_MAPPING",
        help="Mapping file for the folder. Without it: the one in mappings/ that fits.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]


def settings_for(data: Path | None = None, mapping: Path | None = None) -> Settings:
    """Read the settings, with what the command line says on top, and for the source what the home is bound to."""
    from pipelines.line import source_of_home

    said = {name: value.resolve() for name, value in (("data", data), ("mapping", mapping)) if value is not None}
    settings = Settings(**said)  # type: ignore[arg-type]
    held = source_of_home(settings.home)
    if held is None or settings.data is not None:
        return settings
    return Settings(data=held.data, mapping=settings.mapping or held.mapping)


def open_ledger(settings: Settings | None = None) -> Ledger:
    """Open the installation's ledger."""
    from ledgerline.audit import Ledger

    return Ledger.open(settings or settings_for())


def progress(prefix: str) -> Callable[[str], None]:
    """Return a reporter that writes each message on a line of its own."""
    return lambda message: OUT.print(f"[dim]{prefix}[/dim] {escape(message)}")
