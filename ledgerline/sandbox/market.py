"""Simulated shares: prices with calm and rough spells, sectors, and a signal planted in them.

The label that a price model learns is the return from the next close to the one after: from close *t* + 1 to close
*t* + 2. What is planted makes it depend, in units of the share's own volatility, on what anybody can see at close *t*:

* the return of the last five sessions, which turns round where the session's volume was more than 1.3 times its mean of
  twenty, and goes on where it was not: weights are such that no straight line through either sees much of it;
* a little on the mood of the posts of session *t*.

``signal`` scales both; at 0 prices follow nothing but chance. Shares move together, with the market and their sector,
but less than real ones: what moves all of them teaches nothing about one, and five years of sessions must be enough.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from ledgerline.sandbox.sessions import session_dates

Floats = NDArray[np.float64]

REVERSAL = 0.25
CONTINUATION = 0.08
MOOD = 0.05
ABNORMAL_VOLUME = 1.3
MOVED_SESSIONS = 5
VOLUME_SESSIONS = 20

SECTORS = ("Technology", "Healthcare", "Financial", "Energy", "Consumer", "Industrial", "Utilities", "Materials")
_CALM, _ROUGH = 0.0025, 0.006  # daily volatility of the market
_STAY_CALM, _STAY_ROUGH = 0.985, 0.94
_DRIFT = 0.0003
_WARM_UP = 60  # sessions before the first, so that windows are full when the world begins
_POST_RATE = 0.45  # share of sessions on which a share is posted about
_FARTHEST_MOVE = 2.5


@dataclass(frozen=True, slots=True)
class Market:
    """What happened, sessions by shares, before anybody quotes it.

    Attributes:
        sessions: The sessions, the future ones last.
        present: How many of them lie before the world's present.
        sector: Index of each share's sector, shape (shares,).
        returns: Log return of each session, shape (sessions, shares).
        volume: Shares traded, by the number of shares there is at first, same shape.
        mood: Of the session's posts, -1 to 1; NaN where there are none, same shape.
        roughness: The market's daily volatility, shape (sessions,).
    """

    sessions: tuple[date, ...]
    present: int
    sector: NDArray[np.int64]
    returns: Floats
    volume: Floats
    mood: Floats
    roughness: Floats


def simulate_market(
    *, symbols: int, sessions: int, future: int, signal: float, generator: np.random.Generator
) -> Market:
    """Simulate a market. What comes after the present changes nothing before it.

    Args:
        symbols: How many shares.
        sessions: Sessions before the world's present.
        future: Sessions after it.
        signal: Strength of what is planted.
        generator: Where all randomness comes from.
    """
    dates = session_dates(sessions, future)
    total = len(dates) + _WARM_UP
    # One stream each, drawn session by session: a longer future leaves the past as it is.
    spells, common, sectors, own, shares, surprises, posted, moods = generator.spawn(8)
    roughness = _spells(total, spells)
    sector = np.arange(symbols) % len(SECTORS)
    scale = shares.uniform(0.008, 0.018, symbols) * (0.5 + 0.5 * roughness[:, None] / _CALM)
    sensitivity = shares.uniform(0.6, 1.4, symbols)
    usual = np.exp(shares.normal(14.0, 0.8, symbols))
    chance = (
        sensitivity * (_DRIFT + roughness * common.standard_normal(total))[:, None]
        + 0.5 * roughness[:, None] * sectors.standard_normal((total, len(SECTORS)))[:, sector]
        + scale * own.standard_t(5, (total, symbols)) / np.sqrt(5 / 3)
    )
    mood = np.clip(moods.normal(0.05, 0.6, (total, symbols)), -1, 1)
    mood[posted.random((total, symbols)) >= _POST_RATE] = np.nan
    surprise = _autoregression(0.55, 0.35 * surprises.standard_normal((total, symbols)))
    returns, volume = _evolve(chance, scale, surprise, usual, mood, signal)
    late = slice(_WARM_UP, None)
    return Market(dates, sessions, sector, returns[late], volume[late], mood[late], roughness[late])


def planted(moves: Floats, scale: Floats, volume: Floats, mood: Floats) -> Floats:
    """Return what is planted by one session's close, in units of volatility.

    Args:
        moves: Log returns of the last sessions, shape (``MOVED_SESSIONS``, shares).
        scale: The shares' own volatility in the session, shape (shares,).
        volume: Of the last sessions, shape (``VOLUME_SESSIONS``, shares).
        mood: Of the session's posts, shape (shares,); NaN for none.
    """
    moved = np.clip(moves.sum(axis=0) / (scale * np.sqrt(MOVED_SESSIONS)), -_FARTHEST_MOVE, _FARTHEST_MOVE)
    abnormal = volume[-1] > ABNORMAL_VOLUME * volume.mean(axis=0)
    return np.where(abnormal, -REVERSAL, CONTINUATION) * moved + MOOD * np.nan_to_num(mood)


def _evolve(
    chance: Floats, scale: Floats, surprise: Floats, usual: Floats, mood: Floats, signal: float
) -> tuple[Floats, Floats]:
    """Return returns and volume, session by session: what is planted depends on what it did before."""
    returns, volume = chance.copy(), np.empty_like(chance)
    for now in range(len(chance)):
        known = now - 1  # sessions up to known - 1 had closed when one could still decide
        if signal and known >= VOLUME_SESSIONS:
            seen = planted(
                returns[known - MOVED_SESSIONS : known],
                scale[known - 1],
                volume[known - VOLUME_SESSIONS : known],
                mood[known - 1],
            )
            returns[now] += signal * seen * scale[now]
        size = np.abs(returns[now]) / scale[now]
        volume[now] = usual * np.exp(surprise[now] + 0.35 * np.minimum(size, 3.0))
    return returns, volume


def _spells(total: int, generator: np.random.Generator) -> Floats:
    """Return the market's volatility: calm and rough spells that last."""
    draws = generator.random(total)
    rough = np.zeros(total, dtype=np.bool_)
    for place in range(1, total):
        stays = draws[place] < (_STAY_ROUGH if rough[place - 1] else _STAY_CALM)
        rough[place] = rough[place - 1] if stays else not rough[place - 1]
    return np.where(rough, _ROUGH, _CALM)


def _autoregression(keep: float, shocks: Floats) -> Floats:
    values = np.zeros_like(shocks)
    for place in range(1, len(shocks)):
        values[place] = keep * values[place - 1] + shocks[place]
    return values
