"""The families of a simulated world beside the card payments, each from its own source of randomness."""

import numpy as np
import polars as pl

from ledgerline.sandbox.books import book_files, deliver_books, keep_books
from ledgerline.sandbox.lending import simulate_applications
from ledgerline.sandbox.lending_files import application_files, deliver_applications
from ledgerline.sandbox.macro import release_series, spoil_releases
from ledgerline.sandbox.market import simulate_market
from ledgerline.sandbox.market_files import announced_actions, bar_files, csv_bytes, deliver_bars, parquet_bytes
from ledgerline.sandbox.parts import Files, Part, Simulated, streams
from ledgerline.sandbox.posts import deliver_posts, post_files, write_posts
from ledgerline.sandbox.quotes import Quotes, quote
from ledgerline.sandbox.sessions import PRESENT

# The card payments' streams are the seed's first three children; these come after them.
_MARKET, _LENDING, _BOOKS = 11, 12, 13
_VERSION = 1  # raised when the same arguments give other bytes


def market_part(*, symbols: int, sessions: int, future_sessions: int, signal: float, seed: int) -> Part:
    """Return shares, the economy around them, and what is posted about them."""

    def simulate() -> Simulated:
        market_seed, quotes_seed, macro_seed, posts_seed, *dirt = (
            np.random.default_rng(child) for child in streams(seed, _MARKET).spawn(7)
        )
        market = simulate_market(
            symbols=symbols, sessions=sessions, future=future_sessions, signal=signal, generator=market_seed
        )
        quotes = quote(market, quotes_seed)
        bars, dirty_bars = deliver_bars(quotes, dirt[0])
        releases, dirty_releases = spoil_releases(release_series(market, macro_seed), dirt[1])
        posts, dirty_posts = deliver_posts(write_posts(market, quotes, posts_seed), dirt[2])
        actions = announced_actions(quotes)

        def files() -> Files:
            yield from bar_files(bars)
            yield "market/corporate_actions.csv", csv_bytes(actions)
            yield "market/instruments.csv", csv_bytes(quotes.instruments)
            yield "economic/macro_series.csv", csv_bytes(releases)
            yield from post_files(posts)
            yield from _future_files(quotes)

        return Simulated(
            files=files(),
            rows=bars.height + actions.height + quotes.instruments.height + releases.height + posts.height,
            dirt={"prices_daily": dirty_bars, "macro_series": dirty_releases, "posts": dirty_posts},
            facts={"bars": bars.height, "posts": posts.height},
        )

    return Part(
        name="market",
        asked={
            "version": _VERSION,
            "symbols": symbols,
            "sessions": sessions,
            "future_sessions": future_sessions,
            "signal": signal,
        },
        folders=("market", "economic", "alternative", "exchange"),
        said=f"simulating {symbols} shares over {sessions:,} sessions, and {future_sessions} that nobody has seen",
        simulate=simulate,
    )


def lending_part(*, applications: int, seed: int) -> Part:
    """Return a lender's applications."""

    def simulate() -> Simulated:
        simulation, delivery = (np.random.default_rng(child) for child in streams(seed, _LENDING).spawn(2))
        rows, dirty = deliver_applications(simulate_applications(applications, simulation), delivery)
        return Simulated(
            files=application_files(rows),
            rows=rows.height,
            dirt={"applications": dirty},
            facts={"applications": applications, "default_rate": rows["DEFAULTED"].cast(pl.Float64).mean()},
        )

    return Part(
        name="lending",
        asked={"version": _VERSION, "applications": applications},
        folders=("applications",),
        said=f"simulating {applications:,} credit applications",
        simulate=simulate,
    )


def books_part(*, entities: int, seed: int) -> Part:
    """Return the books of business units."""

    def simulate() -> Simulated:
        simulation, delivery = (np.random.default_rng(child) for child in streams(seed, _BOOKS).spawn(2))
        rows, dirty = deliver_books(keep_books(entities, simulation), delivery)
        return Simulated(files=book_files(rows), rows=rows.height, dirt={"ledger": dirty}, facts={"entities": entities})

    return Part(
        name="books",
        asked={"version": _VERSION, "entities": entities},
        folders=("ledger",),
        said=f"simulating the books of {entities} business units",
        simulate=simulate,
    )


def _future_files(quotes: Quotes) -> Files:
    """Yield what only the exchange knows: the bars after the present, and the actions that fall there."""
    bars = quotes.bars.filter(pl.col("session") >= PRESENT.date())
    if bars.height == 0:
        return
    yield "exchange/bars.parquet", parquet_bytes(bars)
    actions = quotes.actions.filter(pl.col("ex_date") >= PRESENT.date())
    if actions.height:
        yield "exchange/actions.csv", csv_bytes(actions)
