"""What is going on while a caller waits: one line that replaces itself, in a terminal and in a notebook alike."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def telling(wanted: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line in place of the one before, all of which are gone in the end.

    Args:
        wanted: Whether to show anything. It is not shown either where nobody looks: to a pipe, a file or a log.
    """
    if not wanted:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(file=sys.stderr)
    if Console().is_jupyter:
        yield from _in_a_notebook()
    elif console.is_terminal:
        with console.status("") as status:
            yield lambda line: status.update(escape(line))
    else:
        yield lambda _: None


def _in_a_notebook() -> Iterator[Callable[[str], None]]:
    """Yield the same for a notebook. A live display of rich's would need ipywidgets, which need not be installed."""
    from IPython.display import HTML, display

    shown = display(HTML(""), display_id=True)  # type: ignore[no-untyped-call]
    try:
        yield lambda line: shown.update({"text/plain": line}, raw=True)
    finally:
        shown.update({"text/plain": ""}, raw=True)
