"""The `ledgerline` command."""

import sys

import typer

from ledgerline.cli import data, evidence, live, models, stack
from ledgerline.cli.terminal import ERROR
from ledgerline.core.errors import LedgerlineError

app = typer.Typer(
    name="ledgerline",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""From any live decision back to the raw bytes, provably.

The line, in the order data meets it: `ingest` -> `validate` -> `features` -> `train` -> `approve` -> `score`,
and `trace` walks it back. `run` starts Airflow, MLflow and the scoring job and does all of it.

Settings are environment variables, `LEDGERLINE_<NAME>`; state lives under `.ledgerline/` (`LEDGERLINE_HOME`).""",
)
for part in (stack, data, models, live, evidence):
    part.register(app)


def main() -> None:
    """Run the command; an expected failure is one clear message and exit status 1."""
    try:
        app()
    except LedgerlineError as error:
        ERROR.print(f"[bold red]error:[/bold red] {error}", markup=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
