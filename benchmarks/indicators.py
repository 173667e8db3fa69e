"""RSI 14, MACD 12/26/9 and Bollinger 20 of 500 shares over 2,500 sessions: ours beside pandas, TA-Lib and `ta`.

`python benchmarks/indicators.py`; with `--other-python PATH`, an interpreter whose environment has `TA-Lib`, `ta`,
pandas and numpy, those two libraries are measured as well, in a process of their own. Prices are made up, from one
seed. Each figure is the shortest of five runs, after one that is not counted and that loads or compiles; the longest
stands beside it. Peers compute what they define: exponential averages that are carried on from the first session, where
ours are cut off after 200; how far the two lie apart from the 250th session on is among the figures. `--quick` runs
twice.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

SHARES, SESSIONS = 500, 2500
SETTLED = 250  # sessions after which no average remembers how it was begun
PROFILE = 60

Values = Any


def main() -> None:
    """Measure, and print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two runs instead of five")
    parser.add_argument("--other-python", type=Path, help="an interpreter that has TA-Lib and ta")
    parser.add_argument("--peers-only", action="store_true", help="measure what this interpreter has, for another run")
    options = parser.parse_args()
    runs = 2 if options.quick else 5

    if options.peers_only:
        print(json.dumps({name: seconds(work, runs) for name, work in installed_libraries().items()}))
        return
    figures = loading()
    say("ours: loaded")
    figures |= timed("ours", our_work(), runs)
    peers = timed("pandas", {"by_share": pandas_by_share, "wide": pandas_wide}, runs)
    if options.other_python:
        peers |= elsewhere(options.other_python, quick=options.quick)
    figures |= apart()
    print_result(figures, peers, quick=options.quick)


def say(message: str) -> None:
    """Print progress."""
    print(message, flush=True)


def market() -> dict[str, Values]:
    """Return high, low, close and volume, a row a share and a column a session."""
    random = np.random.default_rng(20180401)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, (SHARES, SESSIONS)), axis=1))
    spread = random.uniform(0.0, 0.02, (2, SHARES, SESSIONS))
    volume = random.integers(1_000, 9_000, (SHARES, SESSIONS)).astype(np.float64)
    return {"high": close * (1 + spread[0]), "low": close * (1 - spread[1]), "close": close, "volume": volume}


def seconds(work: Callable[[], Any], runs: int) -> list[float]:
    """Return how long each of some runs took, after one that is not counted."""
    work()
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def timed(owner: str, works: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Return the shortest and the longest run of each."""
    figures = {}
    for name, work in works.items():
        figures |= shortest_and_longest(f"{owner}.{name}", seconds(work, runs))
    return figures


def shortest_and_longest(name: str, found: list[float]) -> dict[str, float]:
    """Return two figures, and print them."""
    say(f"{name:24s} {min(found):8.4f} s  (longest {max(found):.4f} s)")
    return {f"{name}_s": round(min(found), 4), f"{name}_longest_s": round(max(found), 4)}


def loading() -> dict[str, float]:
    """Return what loading the compiled loops costs a process: compiled anew, and compiled before.

    The second of the three processes may have to compile them, and keeps them for the third.
    """
    script = (
        "import numpy, polars, time, feature_store.indicators; start = time.perf_counter(); "
        "import feature_store.volume_profile_kernel; print(time.perf_counter() - start)"
    )
    nowhere = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "NUMBA_CACHE_DIR": ""}
    times = {}
    for name, environment in (("ours.compile", nowhere), ("ours.first_load", {}), ("ours.load", {})):
        result = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        times[name] = float(result.stdout)
    return {f"{name}_s": round(times[name], 3) for name in ("ours.compile", "ours.load")}


def our_work() -> dict[str, Callable[[], Any]]:
    """Return what is timed of ours."""
    from feature_store import indicators
    from feature_store.lookback import Lookback

    columns = {name: values.ravel() for name, values in market().items()}
    close, back = columns["close"], Lookback(np.tile(np.arange(SESSIONS), SHARES))

    def all_three() -> None:
        indicators.rsi(back, close, 14)
        indicators.macd(back, close)
        indicators.bollinger(back, close, 20)

    return {
        "three": all_three,
        "rsi": lambda: indicators.rsi(back, close, 14),
        "macd": lambda: indicators.macd(back, close),
        "bollinger": lambda: indicators.bollinger(back, close, 20),
        f"volume_profile_{PROFILE}": lambda: indicators.volume_profile(back, **columns, rows=PROFILE),
    }


def pandas_three(close: Any) -> tuple[Any, ...]:
    """Compute the three with pandas, of one share or of a table that has a column a share."""
    moves = close.diff()
    gain = moves.clip(lower=0).ewm(alpha=1 / 14, adjust=False, min_periods=14).mean()
    loss = (-moves).clip(lower=0).ewm(alpha=1 / 14, adjust=False, min_periods=14).mean()
    line = close.ewm(span=12, adjust=False).mean() - close.ewm(span=26, adjust=False).mean()
    signal = line.ewm(span=9, adjust=False).mean()
    middle, deviation = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
    position = (close - middle + 2 * deviation) / (4 * deviation)
    return 100 * gain / (gain + loss), line, signal, line - signal, position, 4 * deviation / middle


def pandas_by_share() -> None:
    """Compute them share by share."""
    import pandas as pd

    for close in market_closes():
        pandas_three(pd.Series(close))


def pandas_wide() -> None:
    """Compute them of all shares at once, whose sessions here are the same."""
    import pandas as pd

    pandas_three(pd.DataFrame(market_closes().T))


_CLOSES: list[Values] = []


def market_closes() -> Values:
    """Return the closes, made once."""
    if not _CLOSES:
        _CLOSES.append(market()["close"])
    return _CLOSES[0]


def installed_libraries() -> dict[str, Callable[[], Any]]:
    """Return what this interpreter can measure of TA-Lib and `ta`."""
    found: dict[str, Callable[[], Any]] = {}
    try:
        import talib

        found["talib"] = lambda: [
            (talib.RSI(close, 14), talib.MACD(close, 12, 26, 9), talib.BBANDS(close, 20, 2, 2))
            for close in market_closes()
        ]
    except ImportError:
        say("TA-Lib is not installed")
    try:
        import pandas as pd
        from ta.momentum import RSIIndicator
        from ta.trend import MACD
        from ta.volatility import BollingerBands

        def by_ta() -> None:
            for values in market_closes():
                close = pd.Series(values)
                RSIIndicator(close, 14).rsi()
                macd, bands = MACD(close, 26, 12, 9), BollingerBands(close, 20, 2)
                for part in (macd.macd, macd.macd_signal, macd.macd_diff, bands.bollinger_pband, bands.bollinger_wband):
                    part()

        found["ta"] = by_ta
    except ImportError:
        say("ta is not installed")
    return found


def elsewhere(python: Path, *, quick: bool) -> dict[str, float]:
    """Return what another interpreter measured of the libraries that it has."""
    command = [str(python), __file__, "--peers-only", *(["--quick"] if quick else [])]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = {}
    for name, found in json.loads(result.stdout.splitlines()[-1]).items():
        figures |= shortest_and_longest(name, found)
    return figures


def apart() -> dict[str, float]:
    """Return how far ours lie from pandas' at most, once its averages have forgotten how they began."""
    import pandas as pd

    from feature_store import indicators
    from feature_store.lookback import Lookback

    closes = market_closes()
    back, close = Lookback(np.tile(np.arange(SESSIONS), SHARES)), closes.ravel()
    macd, bands = indicators.macd(back, close), indicators.bollinger(back, close, 20)
    ours = (indicators.rsi(back, close, 14), macd.line, macd.signal, macd.histogram, bands.position, bands.width)
    names = ("rsi_points", "macd_by_close", "signal_by_close", "histogram_by_close", "bollinger_position", "width")
    found = {}
    for name, mine, theirs in zip(names, ours, pandas_three(pd.DataFrame(closes.T)), strict=True):
        distance = np.abs(mine.reshape(closes.shape) - theirs.to_numpy().T)
        distance = distance / closes if name.endswith("by_close") else distance
        found[f"apart.{name}"] = float(f"{np.nanmax(distance[:, SETTLED:]):.1e}")
    say(f"farthest from pandas: {found}")
    return found


def print_result(figures: dict[str, float], peers: dict[str, float], *, quick: bool) -> None:
    """Print the one JSON object that is the benchmark's answer."""
    ours = figures["ours.three_s"]
    result = {
        "benchmark": "indicators",
        "figures": figures,
        "peers": peers,
        "ratios": {
            f"{name.removesuffix('_s')}_over_ours": round(value / ours, 2)
            for name, value in peers.items()
            if not name.endswith("_longest_s")
        },
        "seeds": 1,
        "data": f"made up: {SHARES} shares, {SESSIONS:,} sessions; RSI 14, MACD 12/26/9, Bollinger 20",
        "quick": quick,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
