"""A simulated world: files as a card acquirer would deliver them, so that everything runs without anybody's data."""

from ledgerline.sandbox.deliveries import Dirt
from ledgerline.sandbox.world import FolderTaken, WorldReport, write_world, write_world_of

__all__ = ["Dirt", "FolderTaken", "WorldReport", "write_world", "write_world_of"]
