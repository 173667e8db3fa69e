"""The evidence log: every thing that the platform makes is a leaf, and leaves name their parents."""

from ledgerline.audit.leaf import Kind, Leaf, Parent, RecordedLeaf
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.log import EvidenceLog, UnknownLeaf

__all__ = ["EvidenceLog", "Kind", "Leaf", "Ledger", "Parent", "RecordedLeaf", "UnknownLeaf"]
