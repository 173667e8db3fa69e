"""The `ledgerline` command."""

import sys
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.markup import escape

from ledgerline.cli import audit, data, evidence, feature_quality, forecasts, live, models, run, stack, trading, witness
from ledgerline.cli.terminal import ERROR
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings

app = typer.Typer(
    name="ledgerline",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""From any live decision back to the raw bytes, provably.

The line, in the order data meets it: `ingest` -> `validate` -> `features` -> `train` -> `approve` -> `deploy`, then
`score`, `decide`, `forecast` and `trade`; `trace` walks it back. `run` starts Airflow, MLflow and the live jobs and
does all of it, for four families of models: fraud, credit, forecast and price.

Settings are environment variables, `LEDGERLINE_<NAME>`; state lives under `.ledgerline/` (`LEDGERLINE_HOME`).""",
)
for part in (run, stack, data, feature_quality, models, live, trading, forecasts, evidence, audit, witness):
    part.register(app)


def main() -> None:
    """Run the command; an expected failure is one clear message and exit status 1."""
    try:
        app()
    except LedgerlineError as error:
        _fail(str(error))
    except ValidationError as invalid:
        if invalid.title != Settings.__name__:
            raise
        _fail("; ".join(f"LEDGERLINE_{error['loc'][0]}".upper() + f": {error['msg']}" for error in invalid.errors()))


def _fail(message: str) -> NoReturn:
    ERROR.print(f"[bold red]error:[/bold red] {escape(message)}")
    sys.exit(1)


if __name__ == "__main__":
    main()
