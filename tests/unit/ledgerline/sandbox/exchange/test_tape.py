from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl

from ledgerline.sandbox.exchange.tape import Tape

HEADER = "symbol,session,open,high,low,close,volume\n"
FRIDAY, MONDAY = date(2018, 9, 28), date(2018, 10, 1)


def world(folder: Path, history: str, *, future: bool = True) -> Tape:
    (folder / "market").mkdir(exist_ok=True)
    (folder / "market/prices_daily_2018-09-28.csv").write_text(HEADER + history)
    if future:
        (folder / "exchange").mkdir(exist_ok=True)
        row = {"symbol": ["AA"], "session": [MONDAY], "open": [2.1], "high": [2.3], "low": [2.0], "close": [2.2]}
        pl.DataFrame(row | {"volume": [900]}).write_parquet(folder / "exchange/bars.parquet")
    return Tape.of(folder)


def test_past_and_future_are_one_tape(tmp_path: Path) -> None:
    tape = world(tmp_path, "AA,2018-09-28,1.9,2.05,1.85,2.0,800\n")
    assert (tape.past, tape.future) == ((FRIDAY,), (MONDAY,))
    assert [bar.close for bar in tape.bars("AA", first=FRIDAY, last=MONDAY)] == [Decimal("2.0"), Decimal("2.2")]
    assert tape.close_before("AA", MONDAY) == Decimal("2.0")
    assert tape.close_before("AA", FRIDAY) is None


def test_what_is_no_bar_is_left_out_and_the_last_of_two_counts(tmp_path: Path) -> None:
    tape = world(
        tmp_path,
        "AA,2018-09-27,,,,,\nAA,2018-09-26,1.9,1.0,1.85,2.0,800\nAA,2028-09-28,1,1,1,1,1\n"
        "AA,2018-09-28,1.9,2.05,1.85,2.0,800\nAA,2018-09-28,1.9,2.05,1.85,1.95,800\nAA,never,1,1,1,1,1\n",
    )
    assert [bar.close for bar in tape.bars("AA", first=date.min, last=FRIDAY)] == [Decimal("1.95")]


def test_world_without_a_future_has_none(tmp_path: Path) -> None:
    tape = world(tmp_path, "AA,2018-09-28,1.9,2.05,1.85,2.0,800\n", future=False)
    assert tape.future == ()
    assert tape.past == (FRIDAY,)


def test_folder_of_somebody_s_own_files_is_a_tape_without_bars(tmp_path: Path) -> None:
    assert (Tape.of(tmp_path).symbols, Tape.of(tmp_path).past) == ((), ())
    (tmp_path / "market").mkdir()
    (tmp_path / "market/prices_daily_2018.csv").write_text("Date,Close\n2018-09-28,5\n")
    assert Tape.of(tmp_path).symbols == ()


def test_equal_futures_have_equal_identities_and_others_do_not(tmp_path: Path) -> None:
    one = world(tmp_path, "AA,2018-09-28,1.9,2.05,1.85,2.0,800\n")
    restated = world(tmp_path, "AA,2018-09-28,1.9,2.05,1.85,1.9,800\n")
    assert one.identity == restated.identity
    (tmp_path / "exchange/actions.csv").write_text("symbol,action,ex_date,announced_at,ratio,amount,new_symbol\n")
    assert Tape.of(tmp_path).identity != one.identity


def test_actions_are_read_as_decimals(tmp_path: Path) -> None:
    world(tmp_path, "AA,2018-09-28,1.9,2.05,1.85,2.0,800\n")
    (tmp_path / "exchange/actions.csv").write_text(
        "symbol,action,ex_date,announced_at,ratio,amount,new_symbol\n"
        "AA,dividend,2018-10-01,2018-09-01T20:00:00Z,,0.1,\nAA,split,2018-10-02,2018-09-01T20:00:00Z,2.0,,\n"
    )
    tape = Tape.of(tmp_path)
    assert tape.actions(MONDAY)[0].amount == Decimal("0.1")
    assert tape.actions(date(2018, 10, 2))[0].ratio == 2
    assert tape.actions(FRIDAY) == ()
