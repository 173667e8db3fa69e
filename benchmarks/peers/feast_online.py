"""The peer of `benchmarks/online_features.py`: Feast's SQLite online store, in the environment of `feast.txt`.

    python feast_online.py ENTITIES READS

One view of fifteen numbers by one entity, written once for every entity; then single entities are read. Nothing is
computed: what is compared is how long a decision waits. The last line printed is JSON: milliseconds of each read.
"""

import json
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

FEATURES = [f"feature_{number}" for number in range(15)]


def filled(entities: int, folder: Path) -> FeatureStore:
    """Return a store that holds the features of every entity."""
    numbers = random.Random(1)  # noqa: S311 (numbers to be read, not secrets)
    now = datetime.now(UTC)
    frame = pd.DataFrame(
        {
            "card_id": range(entities),
            "event_timestamp": now - timedelta(hours=1),
            **{name: [numbers.random() for _ in range(entities)] for name in FEATURES},
        }
    )
    frame.to_parquet(folder / "features.parquet")
    store = FeatureStore(
        config=RepoConfig(
            project="online",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
        )
    )
    card = Entity(name="card", join_keys=["card_id"], value_type=ValueType.INT64)
    source = FileSource(name="file", path=str(folder / "features.parquet"), timestamp_field="event_timestamp")
    schema = [Field(name=name, dtype=Float64) for name in FEATURES]
    view = FeatureView(name="cards", entities=[card], ttl=timedelta(days=37), schema=schema, source=source)
    store.apply([card, view])
    store.write_to_online_store("cards", frame)
    return store


def main() -> None:
    """Fill a store, read from it and print what each read took."""
    entities, reads = map(int, sys.argv[1:])
    chance = random.Random(2)  # noqa: S311
    wanted = [f"cards:{name}" for name in FEATURES]
    with tempfile.TemporaryDirectory(prefix="feast-online-") as folder:
        store = filled(entities, Path(folder))
        took = []
        for number in range(reads + reads // 10):
            card = chance.randrange(entities)
            began = time.perf_counter()
            found = store.get_online_features(features=wanted, entity_rows=[{"card_id": card}]).to_dict()
            seconds = time.perf_counter() - began
            assert all(found[name][0] is not None for name in FEATURES)
            if number >= reads // 10:
                took.append(seconds * 1_000)
    print(json.dumps({"read_ms": took}))


if __name__ == "__main__":
    main()
