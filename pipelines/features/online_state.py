"""What live features go on from, of a view over events: the recent past, read from the files that hold it."""

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import polars as pl

from feature_store.id_hashes import hashes_of, in_both
from feature_store.state import DISORDER, recent_events
from pipelines.features.arrivals import Arrivals
from pipelines.features.digests import Piece, microseconds_of, read_piece
from pipelines.features.event_views import Inputs
from pipelines.features.streams import without
from pipelines.ingestion.typed_rows import rows_schema

_MICROSECOND = timedelta(microseconds=1)


def online_state(inputs: Inputs, arrivals: Arrivals) -> pl.DataFrame:
    """Return what :func:`feature_store.state.recent_events` returns of all rows, having read the recent ones alone.

    A label without an event is kept for its event may come; whether an older one did is asked of the files' digests.
    """
    view, as_of = inputs.view, inputs.as_of
    oldest = microseconds_of(as_of) - (view.horizon + DISORDER) // _MICROSECOND
    recent = [piece for piece in arrivals.events if piece.last_event > oldest]
    older = [piece for piece in arrivals.events if piece.last_event <= oldest]
    events = _rows(inputs, arrivals, recent, view.events.name, view.event_columns)
    if view.labels is None:
        return recent_events(view, events, pl.DataFrame(), as_of)
    columns = (view.event_id, "event_time", "available_at", *view.label_measures)
    about = [piece for piece in arrivals.labels if _may_matter(piece, arrivals, oldest)]
    labels = _rows(inputs, arrivals, about, view.labels.name, columns)
    return recent_events(view, events, _of_no_older_event(inputs, labels, events, older), as_of)


def _may_matter(piece: Piece, arrivals: Arrivals, oldest: int) -> bool:
    """Whether a label of the piece is about a recent event, or may wait for its event."""
    newest = max(piece.last_event, piece.last_available, arrivals.labelled.get(piece.name, oldest))
    return newest > oldest


def _rows(
    inputs: Inputs, arrivals: Arrivals, pieces: Iterable[Piece], dataset: str, columns: tuple[str, ...]
) -> pl.DataFrame:
    (contract,) = (contract for contract in inputs.view.sources if contract.name == dataset)
    frames = [rows_schema(contract).to_frame().select(columns)]
    for piece in pieces:
        rows = read_piece(inputs.locate(piece.file), piece, columns, as_of=inputs.as_of)
        frames.append(without(rows, arrivals.ignored.get(piece.name)).select(columns))
    return pl.concat(frames)


def _of_no_older_event(
    inputs: Inputs, labels: pl.DataFrame, events: pl.DataFrame, older: Iterable[Piece]
) -> pl.DataFrame:
    """Leave out the labels of events in pieces that were not read."""
    event_id = inputs.view.event_id
    waiting = labels.select(event_id).unique().join(events, on=event_id, how="anti")
    for piece in sorted(older, key=lambda piece: piece.last_event, reverse=True):
        if not waiting.height:
            break
        hashes = np.sort(hashes_of(waiting[event_id]))
        if in_both(piece.hashes(), hashes).size:
            path = inputs.locate(piece.file)
            there = read_piece(path, piece, (event_id,), as_of=inputs.as_of)
            labels = labels.join(
                waiting.join(there, on=event_id, how="semi"), on=event_id, how="anti", maintain_order="left"
            )
            waiting = waiting.join(there, on=event_id, how="anti")
    return labels
