"""The point-in-time join beside direct as-of joins and Feast, from the same Parquet files.

    python benchmarks/asof_join.py [--quick] [--repeats 3] [--without-feast-default]

Two cases on simulated data. *History*: 1,000,000 labels, one view of 5,000,000 rows with 10 float32 features. *TTL*:
100,000 labels, three views of 1,000,000 rows with 10 features each, values older than 7 days null. Of the rows 1 % come
late by a day on average and 1 % are restated; views are stored as they arrived. Each engine runs in a process of its
own, which first answers a tiny task (imports, compilation and the start of an engine count for nobody) and then reads
labels and views and materialises the result. Times are medians over turns, ours and theirs one after the other; Feast,
being slow, has one turn. Memory is the peak of resident memory of the whole process.

What the peers do not do: DuckDB's and polars' as-of joins find the row that *arrived* last, so that a late row about an
older moment overrides a newer one; Feast joins by ``event_time`` alone and so sees rows before they were available.
`*_other` says in how many labels they differ from ours, which is compared with a plain search on 1,000 labels.

DuckDB and Feast run in an environment of their own, made of `benchmarks/peers/feast.txt` in `.cache/benchmarks/feast`
by uv, which asks a package index; where that fails they are left out, and the last line says so.

The last line is JSON: wall_s, peak_mb, rows_lost of the first case and ttl_wall_s, ttl_peak_mb, ttl_rows_lost of the
second; as ratios the peer's time over ours, feast_duckdb and feast_default, and ours over that of DuckDB or polars,
best_direct over the lesser time and best_direct_memory over the lesser memory; each also with ttl_ before.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from peers.feast_environment import feast_python

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"
DIRECT = ("duckdb_asof", "polars_asof")
FEAST = ("feast_duckdb", "feast_default")
FEATURES = 10
SAMPLE = 1_000
LIMIT_S = 900
DAY = 86_400_000_000
INSTANT = pl.Datetime("us", "UTC")
START = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1_000_000)


@dataclass(frozen=True)
class Case:
    """What is joined.

    Attributes:
        name: Begins the names of its figures.
        labels: How many entity rows.
        views: How many views.
        rows: Of each view.
        cards: How many keys.
        days: Over which all happens.
        ttl: Of each view.
    """

    name: str
    labels: int
    views: int
    rows: int
    cards: int
    days: int
    ttl: timedelta | None


CASES = (
    Case("", 1_000_000, 1, 5_000_000, 100_000, 365, None),
    Case("ttl_", 100_000, 3, 1_000_000, 50_000, 90, timedelta(days=7)),
)
QUICK = (
    Case("", 100_000, 1, 500_000, 10_000, 365, None),
    Case("ttl_", 20_000, 3, 100_000, 5_000, 90, timedelta(days=7)),
)


def simulate(case: Case, folder: Path, seed: int) -> dict[str, Any]:
    """Write a case's labels and views; return the task."""
    chance = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    labels = pl.DataFrame(
        {
            "label_id": np.arange(case.labels),
            "card_id": chance.integers(0, case.cards, case.labels),
            "decided_at": START + chance.integers(case.days * DAY // 12, case.days * DAY, case.labels),
        }
    )
    labels.cast({"decided_at": INSTANT}).write_parquet(folder / "labels.parquet")
    views = []
    for number in range(case.views):
        features = [f"f{number}_{each}" for each in range(FEATURES)]
        path = folder / f"view_{number}.parquet"
        _history(case, features, chance).write_parquet(path, row_group_size=1 << 17, compression="snappy")
        ttl = case.ttl // timedelta(microseconds=1) if case.ttl else None
        views.append({"name": f"view_{number}", "path": str(path), "features": features, "ttl_us": ttl})
    return {"labels": str(folder / "labels.parquet"), "views": views}


def _history(case: Case, features: list[str], chance: np.random.Generator) -> pl.DataFrame:
    restated = case.rows // 100
    first = case.rows - restated
    event_time = START + chance.integers(0, case.days * DAY, first)
    delay = chance.exponential(60_000_000, first)
    late = chance.random(first) < 0.01
    delay[late] = chance.exponential(DAY, late.sum())
    cards = chance.integers(0, case.cards, first)
    again = chance.integers(0, first, restated)
    available_at = event_time + delay.astype(np.int64)
    restated_at = available_at[again] + chance.exponential(3 * DAY, restated).astype(np.int64) + 1
    frame = pl.DataFrame(
        {
            "card_id": np.concatenate([cards, cards[again]]),
            "event_time": np.concatenate([event_time, event_time[again]]),
            "available_at": np.concatenate([available_at, restated_at]),
            **{each: chance.standard_normal(case.rows, dtype=np.float32) for each in features},
        }
    )
    return frame.sort("available_at").cast({"event_time": INSTANT, "available_at": INSTANT})


def ledgerline(task: dict[str, Any]) -> pl.DataFrame:
    """Join by ours."""
    from feature_store.point_in_time import FeatureSource, point_in_time_join

    sources = [
        FeatureSource(
            view["name"],
            [view["path"]],
            ("card_id",),
            tuple(view["features"]),
            timedelta(microseconds=view["ttl_us"]) if view["ttl_us"] else None,
        )
        for view in task["views"]
    ]
    return point_in_time_join(pl.read_parquet(task["labels"]), sources, decided_at="decided_at")


def polars_asof(task: dict[str, Any]) -> pl.DataFrame:
    """Join by polars' own join on ``available_at``: the row that came last counts, whatever moment it is about."""
    joined = pl.scan_parquet(task["labels"]).sort("decided_at")
    for view in task["views"]:
        features = [pl.col(each) for each in view["features"]]
        history = pl.scan_parquet(view["path"]).sort("available_at")
        joined = joined.join_asof(
            history, left_on="decided_at", right_on="available_at", by="card_id", check_sortedness=False
        )
        if view["ttl_us"]:
            fresh = pl.col("decided_at") - pl.col("event_time") <= pl.duration(microseconds=view["ttl_us"])
            joined = joined.with_columns(pl.when(fresh).then(each) for each in features)
        joined = joined.drop("event_time", "available_at", strict=False)
    return joined.collect()


class Runner:
    """Runs engines, each in a fresh process.

    Args:
        folder: For tasks and results.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = feast_python()

    @property
    def has_peers(self) -> bool:
        """Whether DuckDB and Feast could be installed."""
        return self._environment is not None

    def run(self, engine: str, task: dict[str, Any]) -> tuple[float, float, pl.DataFrame] | None:
        """Return seconds, MiB and the joined rows of one turn, or ``None`` where it could not be had."""
        own = engine in ("ledgerline", "polars_asof")
        python = Path(sys.executable) if own else self._environment
        if python is None:
            return None
        task_path, result = self._folder / "task.json", self._folder / "result.parquet"
        task_path.write_text(json.dumps(task))
        script = Path(__file__) if own else PEERS / "asof_engines.py"
        arguments = ["--engine", engine, str(task_path), str(result)] if own else [engine, str(task_path), str(result)]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PYTHONPATH": str(ROOT)} if own else {"FEAST_USAGE": "False"}
        try:
            done = subprocess.run(
                [str(python), str(script), *arguments],
                env=environment,
                cwd=self._folder,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=True,
            )
        except subprocess.TimeoutExpired:
            print(f"    {engine}: not done after {LIMIT_S} s", flush=True)
            return None
        except subprocess.CalledProcessError as failure:
            print(f"    {engine}: status {failure.returncode}: {failure.stderr.strip()[-800:]}", flush=True)
            return None
        cost = json.loads(done.stdout.strip().splitlines()[-1])
        joined = pl.read_parquet(result)
        result.unlink()
        return cost["wall_s"], cost["peak_mb"], joined


def answers_by_label(joined: pl.DataFrame, feature: str) -> pl.DataFrame:
    """Return one row a label: its id and one feature."""
    return joined.select("label_id", feature).unique("label_id").sort("label_id")


def searched(task: dict[str, Any], labels: pl.DataFrame) -> pl.DataFrame:
    """Return the labels with their features, each found by a search through every row of its card."""
    answers = []
    for view in task["views"]:
        history = pl.read_parquet(view["path"]).with_row_index("row")
        history = history.filter(pl.col("card_id").is_in(labels["card_id"].unique().implode()))
        by_card = {
            card: rows.rows(named=True) for (card,), rows in history.partition_by("card_id", as_dict=True).items()
        }
        found = []
        for label in labels.iter_rows(named=True):
            known = [row for row in by_card.get(label["card_id"], ()) if row["available_at"] <= label["decided_at"]]
            best = max(known, key=lambda row: (row["event_time"], row["available_at"], row["row"]), default=None)
            ttl = view["ttl_us"]
            if best and ttl and label["decided_at"] - best["event_time"] > timedelta(microseconds=ttl):
                best = None
            found.append({each: best[each] if best else None for each in view["features"]})
        answers.append(pl.DataFrame(found, schema=dict.fromkeys(view["features"], pl.Float32)))
    return pl.concat([labels, *answers], how="horizontal")


def measure(case: Case, runner: Runner, folder: Path, engines: dict[str, int]) -> dict[str, dict[str, float]]:
    """Return seconds, memory, lost rows and differing answers of every engine that could run."""
    task = simulate(case, folder / "full", seed=1)
    tiny = Case("", 50, case.views, 500, 10, case.days, case.ttl)
    task["tiny"] = simulate(tiny, folder / "tiny", seed=2)
    labels = pl.read_parquet(task["labels"])
    costs: dict[str, list[tuple[float, float]]] = {}
    results: dict[str, dict[str, float]] = {}
    ours: pl.DataFrame | None = None
    for turn in range(max(engines.values())):
        for engine, turns in engines.items():
            if turn >= turns or (turn and engine not in results):
                continue
            ran = runner.run(engine, task)
            if ran is None:
                continue
            seconds, memory, joined = ran
            print(f"    {engine}: {seconds:.2f} s, {memory:,.0f} MB", flush=True)
            costs.setdefault(engine, []).append((seconds, memory))
            if engine in results:
                continue
            feature = task["views"][0]["features"][0]
            answers = answers_by_label(joined, feature)
            if ours is None:
                ours = answers
                sample = labels.sample(SAMPLE, seed=1)
                expected = searched(task, sample).sort("label_id")
                sampled = joined.join(sample.select("label_id"), on="label_id", how="semi").sort("label_id")
                assert sampled.equals(expected), "ours differs from a plain search"
                assert joined.select(labels.columns).equals(labels), "ours changed the entity rows"
            both = ours.join(answers, on="label_id", suffix="_theirs")
            results[engine] = {
                "rows_lost": labels.height - answers.height,
                "other": both.filter(pl.col(feature).ne_missing(pl.col(f"{feature}_theirs"))).height,
            }
    for engine, turns in costs.items():
        results[engine]["wall_s"] = statistics.median(seconds for seconds, _ in turns)
        results[engine]["peak_mb"] = statistics.median(memory for _, memory in turns)
    return results


def ratios(case: Case, results: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the case's ratios to the peers that ran."""
    ours = results["ledgerline"]
    found = {
        f"{case.name}{engine}": results[engine]["wall_s"] / ours["wall_s"] for engine in FEAST if engine in results
    }
    direct = [results[engine] for engine in DIRECT if engine in results]
    if direct:
        for ratio, figure in (("best_direct", "wall_s"), ("best_direct_memory", "peak_mb")):
            found[f"{case.name}{ratio}"] = ours[figure] / min(result[figure] for result in direct)
    return found


def run_engine(engine: str) -> None:
    """Answer for one of the engines of this environment; see `benchmarks/peers/asof_engines.py`."""
    specification = importlib.util.spec_from_file_location("asof_engines", PEERS / "asof_engines.py")
    assert specification is not None
    assert specification.loader is not None
    peers = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(peers)
    sys.argv.remove("--engine")
    own = {"ledgerline": ledgerline, "polars_asof": polars_asof}
    engines = {name: peers.timed(join) for name, join in own.items()}
    peers.answer(engines, lambda joined, path: joined.write_parquet(path))


def main() -> None:
    """Measure and print."""
    if "--engine" in sys.argv:
        run_engine(sys.argv[sys.argv.index("--engine") + 1])
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the rows, two turns, Feast's default on TTL only"
    )
    parser.add_argument("--repeats", type=int, default=3, help="turns of ours and of the direct joins")
    parser.add_argument("--without-feast-default", action="store_true", help="it takes minutes")
    options = parser.parse_args()
    repeats = 2 if options.quick else options.repeats
    figures: dict[str, float] = {}
    peers: dict[str, float] = {}
    beside: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="asof-join-") as name:
        runner = Runner(Path(name))
        for case in QUICK if options.quick else CASES:
            print(f"== {case}", flush=True)
            engines = {"ledgerline": repeats, **dict.fromkeys(DIRECT, repeats), "feast_duckdb": 1, "feast_default": 1}
            if options.without_feast_default or (options.quick and not case.ttl):
                del engines["feast_default"]
            began = time.perf_counter()
            results = measure(case, runner, Path(name) / f"case_{case.name}", engines)
            print(f"    measured in {time.perf_counter() - began:.0f} s", flush=True)
            ours = results["ledgerline"]
            figures |= {f"{case.name}{figure}": ours[figure] for figure in ("wall_s", "peak_mb", "rows_lost")}
            for engine, result in results.items():
                if engine != "ledgerline":
                    peers |= {f"{case.name}{engine}_{figure}": value for figure, value in result.items()}
            beside |= ratios(case, results)
        absent = [] if runner.has_peers else ["duckdb", "feast"]
    print(
        json.dumps(
            {
                "benchmark": "asof_join",
                "figures": {name: round(value, 3) for name, value in figures.items()},
                "peers": {name: round(value, 3) for name, value in peers.items()},
                "ratios": {name: round(value, 3) for name, value in beside.items()},
                "absent": absent,
                "seeds": 1,
                "data": "simulated",
                "quick": options.quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            }
        )
    )


if __name__ == "__main__":
    main()
