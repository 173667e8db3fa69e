"""Where the online executors keep what they remember: one port, and the engines behind it."""

from feature_store.stores.opening import open_store
from feature_store.stores.port import EventStore, KeptRow, OnlineStore, RowStore, Seen, StateName, StoredRow

__all__ = ["EventStore", "KeptRow", "OnlineStore", "RowStore", "Seen", "StateName", "StoredRow", "open_store"]
