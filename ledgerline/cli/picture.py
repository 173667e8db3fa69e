"""A trace as a picture: raw bytes on the left, what was traced on the right; alike entries are one box."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.audit.trace import Step
from ledgerline.cli.evidence import essence
from ledgerline.core.errors import LedgerlineError

_MOST_ALIKE = 2  # this many alike entries have boxes of their own
_SHOWN_DIGITS = 12
_LINE_LETTERS, _MOST_LINES = 30, 3
_WIDTH, _HEIGHT = 2.6, 1.0  # of a box, in inches
_APART_X, _APART_Y = 0.9, 0.3
_MARGIN = 0.3

_COLOURS = {
    "#dbe9f6": (Kind.RAW_FILE, Kind.REFUSED_FILE, Kind.LANDED_BATCH, Kind.REQUEST),
    "#d9f0d9": (Kind.VALIDATION_RECEIPT, Kind.RELEASE, Kind.FEATURE_VERSION),
    "#fdebd0": (Kind.TRAINING_SET, Kind.TRAINING_RUN, Kind.MODEL_BUNDLE, Kind.EVALUATION, Kind.MONITORING),
    "#e8daef": (Kind.SIGNING_KEY, Kind.APPROVAL, Kind.HALT),
}
_COLOUR_OF = {kind: colour for colour, kinds in _COLOURS.items() for kind in kinds}
_LIVE_COLOUR = "#f9d6d5"


class PictureRefused(LedgerlineError):
    """No picture of that kind can be drawn."""


@dataclass
class Box:
    """Entries that are drawn as one.

    Attributes:
        kind: What they are.
        leaves: The entries, newest first.
        column: How far to the left: the longest way from here to what was traced.
        row: Which from the top in its column.
    """

    kind: Kind
    leaves: list[RecordedLeaf] = field(default_factory=list)
    column: int = 0
    row: int = 0

    @property
    def title(self) -> str:
        """What it is, and how many."""
        name = self.kind.value.replace("_", " ")
        return name if len(self.leaves) == 1 else f"{len(self.leaves):,} x {name}"

    @property
    def lines(self) -> list[str]:
        """What a reader asks first, cut to the box."""
        first = self.leaves[-1]
        if len(self.leaves) > 1:
            said = f"{first.identity.get('dataset') or essence(first)} {first.recorded_at:%Y-%m-%d} to "
            text = f"{said}{self.leaves[0].recorded_at:%Y-%m-%d}"
        else:
            text = f"{first.id[:_SHOWN_DIGITS]} {essence(first)}"
        return _wrapped(text)

    @property
    def colour(self) -> str:
        """Whose work it is: data, features, models, people or live jobs."""
        return _COLOUR_OF.get(self.kind, _LIVE_COLOUR)


@dataclass(frozen=True, slots=True)
class Arrow:
    """What one box was to another."""

    parent: int
    child: int
    role: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes, and the arrows between them by the boxes' positions."""

    boxes: list[Box]
    arrows: list[Arrow]

    def place(self, box: Box) -> tuple[float, float]:
        """Return the lower left corner of a box, in inches from that of the picture; columns stand in the middle."""
        columns = max(each.column for each in self.boxes)
        rows = sum(each.column == box.column for each in self.boxes)
        free = (self.size[1] - 2 * _MARGIN - rows * _HEIGHT - (rows - 1) * _APART_Y) / 2
        from_top = _MARGIN + free + box.row * (_HEIGHT + _APART_Y)
        return _MARGIN + (columns - box.column) * (_WIDTH + _APART_X), self.size[1] - from_top - _HEIGHT

    def ends(self, arrow: Arrow) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return where an arrow begins and ends; those that reach one box arrive below each other, each readable."""
        together = [each for each in self.arrows if each.child == arrow.child]
        together.sort(key=lambda each: -self.place(self.boxes[each.parent])[1])
        (x, y), (to_x, to_y) = (self.place(self.boxes[end]) for end in (arrow.parent, arrow.child))
        arrives = to_y + _HEIGHT * (1 - (together.index(arrow) + 1) / (len(together) + 1))
        return (x + _WIDTH, y + _HEIGHT / 2), (to_x, arrives)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        columns = max(each.column for each in self.boxes) + 1
        rows = max(each.row for each in self.boxes) + 1
        return (
            2 * _MARGIN + columns * _WIDTH + (columns - 1) * _APART_X,
            2 * _MARGIN + rows * _HEIGHT + (rows - 1) * _APART_Y,
        )


def draw(start: Step, path: Path) -> None:
    """Draw a trace to a file: a vector graphic (.svg), a page to look around in (.html) or Mermaid's text (.mmd).

    Raises:
        PictureRefused: The file's name ends otherwise.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise PictureRefused(f"{path}: a picture's name ends in {', '.join(_WRITERS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write(picture(start), path)


def picture(start: Step) -> Picture:
    """Lay a trace out from left to right.

    Entries are alike when they are of one kind and dataset and the same boxes were made from them in the same roles.
    """
    leaves = {step.leaf.sequence: step.leaf for step in start.walk()}
    edges = sorted(_edges(start), reverse=True)  # children come after their parents in the log, so here before
    made: dict[int, list[tuple[int, str]]] = {}
    for child, parent, role in edges:
        made.setdefault(parent, []).append((child, role))
    groups: dict[object, list[RecordedLeaf]] = {}
    group_of: dict[int, object] = {}
    column: dict[int, int] = {}
    for sequence in sorted(leaves, reverse=True):
        leaf = leaves[sequence]
        into = frozenset((group_of[child], role) for child, role in made.get(sequence, ()))
        group_of[sequence] = key = (leaf.kind, leaf.identity.get("dataset"), into)
        groups.setdefault(key, []).append(leaf)
        column[sequence] = max((column[child] + 1 for child, _ in made.get(sequence, ())), default=0)
    boxes: list[Box] = []
    box_of: dict[int, int] = {}
    for alike in groups.values():
        for together in [alike] if len(alike) > _MOST_ALIKE else [[leaf] for leaf in alike]:
            box_of |= {leaf.sequence: len(boxes) for leaf in together}
            column_of_box = max(column[leaf.sequence] for leaf in together)
            row = sum(box.column == column_of_box for box in boxes)
            boxes.append(Box(together[0].kind, together, column_of_box, row))
    arrows = dict.fromkeys(Arrow(box_of[parent], box_of[child], role) for child, parent, role in edges)
    return Picture(boxes, list(arrows))


def _edges(start: Step) -> Iterator[tuple[int, int, str]]:
    for step in start.walk():
        yield from ((step.leaf.sequence, parent.leaf.sequence, parent.role) for parent in step.parents)


def _wrapped(text: str) -> list[str]:
    """Break a text into lines that fit a box; what is too long ends in dots."""
    lines = [""]
    for word in text.split():
        for part in (word[at : at + _LINE_LETTERS] for at in range(0, len(word), _LINE_LETTERS)):
            if lines[-1] and len(lines[-1]) + 1 + len(part) > _LINE_LETTERS:
                lines.append("")
            lines[-1] = f"{lines[-1]} {part}".strip()
    return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], f"{lines[_MOST_LINES - 1][:-1]}…"]


def _write_svg(drawn: Picture, path: Path) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    width, height = drawn.size
    with rc_context({"svg.fonttype": "none"}):  # text stays text: it can be searched and copied
        figure = Figure(figsize=drawn.size)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(0, height))
        axes.axis("off")
        for arrow in drawn.arrows:
            ends = drawn.ends(arrow)
            axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=9, color="#888888", linewidth=0.8))
            axes.text(ends[1][0] - 0.12, ends[1][1] + 0.02, arrow.role, fontsize=6, ha="right", color="#555555")
        for box in drawn.boxes:
            x, y = drawn.place(box)
            style = {"boxstyle": "round,pad=0,rounding_size=0.08", "facecolor": box.colour, "edgecolor": "#444444"}
            axes.add_patch(FancyBboxPatch((x, y), _WIDTH, _HEIGHT, **style))
            axes.text(x + 0.1, y + _HEIGHT - 0.1, box.title, fontsize=9, weight="bold", va="top", parse_math=False)
            said = "\n".join(box.lines)
            axes.text(x + 0.1, y + _HEIGHT - 0.33, said, fontsize=7, va="top", family="monospace", parse_math=False)
        figure.savefig(path, format="svg")


def _write_html(drawn: Picture, path: Path) -> None:
    from html import escape

    import plotly.graph_objects as go

    inch = 96
    width, height = drawn.size
    figure = go.Figure()
    for arrow in drawn.arrows:
        (x, y), (to_x, to_y) = drawn.ends(arrow)
        figure.add_annotation(
            {"x": to_x, "y": to_y, "ax": x, "ay": y},
            **{"axref": "x", "ayref": "y", "xref": "x", "yref": "y", "arrowhead": 2, "arrowcolor": "#888888"},
        )
    for box in drawn.boxes:
        x, y = drawn.place(box)
        figure.add_shape(
            {"type": "rect", "x0": x, "x1": x + _WIDTH, "y0": y, "y1": y + _HEIGHT},
            **{"fillcolor": box.colour, "line": {"color": "#444444", "width": 1}},
        )
        text = "<br>".join([f"<b>{escape(box.title)}</b>", *map(escape, box.lines)])
        figure.add_annotation(x=x + _WIDTH / 2, y=y + _HEIGHT / 2, text=text, showarrow=False, font={"size": 11})
    hover = ["<br>".join(escape(f"{leaf.id} {essence(leaf)}") for leaf in box.leaves[:20]) for box in drawn.boxes]
    middles = [(x + _WIDTH / 2, y + _HEIGHT / 2) for x, y in map(drawn.place, drawn.boxes)]
    invisible = {"size": 60, "opacity": 0}
    xs, ys = zip(*middles, strict=True)
    figure.add_scatter(x=xs, y=ys, mode="markers", marker=invisible, hovertext=hover, hoverinfo="text")
    figure.update_xaxes(visible=False, range=(0, width))
    figure.update_yaxes(visible=False, range=(0, height))
    margin = {"l": 0, "r": 0, "t": 0, "b": 0}
    figure.update_layout(
        width=width * inch, height=height * inch, margin=margin, plot_bgcolor="white", dragmode="pan", showlegend=False
    )
    figure.write_html(path, include_plotlyjs=True, config={"scrollZoom": True})  # the page needs no network


def _write_mermaid(drawn: Picture, path: Path) -> None:
    def quoted(text: str) -> str:
        return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")

    lines = ["flowchart LR"]
    for number, box in enumerate(drawn.boxes):
        said = "<br/>".join(map(quoted, box.lines))
        lines.append(f'  b{number}["<b>{quoted(box.title)}</b><br/>{said}"]')
        lines.append(f"  style b{number} fill:{box.colour},stroke:#444444")
    lines.extend(f"  b{arrow.parent} -->|{arrow.role}| b{arrow.child}" for arrow in drawn.arrows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


_WRITERS: dict[str, Callable[[Picture, Path], None]] = {
    ".svg": _write_svg,
    ".html": _write_html,
    ".mmd": _write_mermaid,
}
