"""The peers of `benchmarks/asof_join.py`, each run in a process of its own, in the environment of `feast.txt`.

    python asof_engines.py ENGINE TASK.json RESULT.parquet

A task says where labels and views lie and what each view's key, features and ttl are. Every engine first answers a tiny
task of the same shape, so that imports and the first start of an engine count for nobody. The last line printed is
JSON: seconds, and the peak of resident memory in MiB.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

Task = dict[str, Any]


def peak_mb() -> float:
    """Return the greatest resident memory that this process had, in MiB.

    Linux counts a parent's memory as its child's peak in ``ru_maxrss``; what the process itself had is in its status.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def duckdb_asof(task: Task) -> Any:
    """Join by DuckDB's ASOF join on ``available_at``: the row that came last counts, whatever moment it is about."""
    import duckdb

    columns, joins = ["l.*"], []
    for number, view in enumerate(task["views"]):
        fresh = f"epoch_us(l.decided_at) - epoch_us(v{number}.event_time) <= {view['ttl_us']}"
        columns += [
            f"{f'CASE WHEN {fresh} THEN v{number}.{each} END' if view['ttl_us'] else f'v{number}.{each}'} AS {each}"
            for each in view["features"]
        ]
        joins.append(
            f"ASOF LEFT JOIN read_parquet('{view['path']}') v{number} "
            f"ON l.card_id = v{number}.card_id AND l.decided_at >= v{number}.available_at"
        )
    query = f"SELECT {', '.join(columns)} FROM read_parquet('{task['labels']}') l {' '.join(joins)}"  # noqa: S608
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection.sql(query).to_arrow_table()


def feast(task: Task, kind: str) -> Any:
    """Join by Feast's ``get_historical_features``, with ``available_at`` as the time of creation."""
    import pandas as pd

    store, features = _feast_store(task["views"], kind)
    began = time.perf_counter()
    labels = pd.read_parquet(task["labels"]).rename(columns={"decided_at": "event_timestamp"})
    job = store.get_historical_features(entity_df=labels, features=features)
    joined = job.to_arrow() if kind == "duckdb" else job.to_df()
    return joined, time.perf_counter() - began


def _feast_store(views: list[dict[str, Any]], kind: str) -> tuple[Any, list[str]]:
    """Return a Feast store that knows the views; to define them is not measured."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float32

    folder = Path(tempfile.mkdtemp(prefix="asof-feast-"))
    store = FeatureStore(
        config=RepoConfig(
            project="asof",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            offline_store={"type": kind},
            entity_key_serialization_version=3,
        )
    )
    card = Entity(name="card", join_keys=["card_id"], value_type=ValueType.INT64)
    declared = [
        FeatureView(
            name=view["name"],
            entities=[card],
            ttl=timedelta(microseconds=view["ttl_us"] or 0),
            schema=[Field(name=each, dtype=Float32) for each in view["features"]],
            source=FileSource(
                name=f"{view['name']}_source",
                path=view["path"],
                timestamp_field="event_time",
                created_timestamp_column="available_at",
            ),
        )
        for view in views
    ]
    store.apply([card, *declared])
    return store, [f"{view['name']}:{each}" for view in views for each in view["features"]]


def timed(join: Callable[[Task], Any]) -> Callable[[Task], tuple[Any, float]]:
    """Return a join that says how long it took."""

    def run(task: Task) -> tuple[Any, float]:
        began = time.perf_counter()
        joined = join(task)
        return joined, time.perf_counter() - began

    return run


ENGINES: dict[str, Callable[[Task], tuple[Any, float]]] = {
    "duckdb_asof": timed(duckdb_asof),
    "feast_duckdb": lambda task: feast(task, "duckdb"),
    "feast_default": lambda task: feast(task, "dask"),
}


def answer(engines: dict[str, Callable[[Task], tuple[Any, float]]], write: Callable[[Any, str], None]) -> None:
    """Do what the command line says and print what it cost; the result is written after that."""
    engine, task_path, result = sys.argv[1:]
    task = json.loads(Path(task_path).read_text())
    engines[engine](task["tiny"])
    joined, seconds = engines[engine](task)
    cost = {"wall_s": seconds, "peak_mb": peak_mb()}
    write(joined, result)
    print(json.dumps(cost), flush=True)


def _write(joined: Any, path: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = joined if isinstance(joined, pa.Table) else pa.Table.from_pandas(joined, preserve_index=False)
    pq.write_table(table, path)


if __name__ == "__main__":
    answer(ENGINES, _write)
