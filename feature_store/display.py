"""Small tables that read well wherever they are printed: as text, and as HTML in a notebook."""

from collections.abc import Iterable, Sequence
from html import escape

_WIDEST = 100  # characters of a cell's text; the HTML shows all of it
_GAP = "  "


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows under headings, columns aligned, numbers to the right."""
    body = [[_shortened(cell) for cell in row] for row in rows]
    columns = list(zip(*body, strict=True)) if body else [()] * len(headings)
    widths = [max(map(len, (heading, *cells))) for heading, cells in zip(headings, columns, strict=True)]
    to_the_right = [bool(cells) and all(_is_number(cell) for cell in cells) for cells in columns]

    def line(cells: Sequence[str]) -> str:
        aligned = zip(cells, widths, to_the_right, strict=True)
        return _GAP.join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in aligned).rstrip()

    return "\n".join(line(cells) for cells in (headings, ["─" * width for width in widths], *body))


def html_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """Return the same as an HTML table, every text escaped."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    side = "right" if _is_number(text) else "left"
    return f'<td style="text-align: {side}">{escape(text)}</td>'


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _is_number(text: str) -> bool:
    """Whether a cell is a number or stands for a missing one."""
    return text in ("null", "-") or text.replace(",", "").replace(".", "", 1).lstrip("-+").isdigit()
