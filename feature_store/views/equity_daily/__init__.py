"""Daily indicators of shares, point in time: prices, volume, the market, the economy, and what is posted."""

from feature_store.views.equity_daily.state import recent_state
from feature_store.views.equity_daily.view import EQUITY_DAILY

__all__ = ["EQUITY_DAILY", "recent_state"]
