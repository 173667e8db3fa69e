"""The tables of the evidence database. Rooms whose effects commit with a leaf add theirs to the same metadata."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

METADATA = MetaData()

# SQLite only gives an INTEGER primary key the row's own number.
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")
# Names are looked up by their beginnings: as ranges, which need bytes to sort as bytes.
_NAME = Text().with_variant(Text(collation="C"), "postgresql")

# The entry is the record; every other column, and the tables of edges and names, are found from it again and checked.
LEAF = Table(
    "leaf",
    METADATA,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),  # from 1; the Merkle tree counts from 0
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("recorded_at", Text, nullable=False),
    Column("entry", LargeBinary, nullable=False),  # canonical JSON
    Column("hash", LargeBinary(32), nullable=False),  # the Merkle tree's leaf hash of the entry
    Index("leaf_kind", "kind", "sequence"),
)

EDGE = Table(
    "edge",
    METADATA,
    Column("child", SEQUENCE, ForeignKey("leaf.sequence"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("parent", SEQUENCE, ForeignKey("leaf.sequence"), nullable=False),
    Column("role", String(32), nullable=False),
    Index("edge_parent", "parent", "child"),
    sqlite_with_rowid=False,
)

NAME = Table(
    "name",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("leaf", SEQUENCE, ForeignKey("leaf.sequence"), primary_key=True),
    sqlite_with_rowid=False,
)

# Roots of the complete subtrees of 256, 256**2, ... entries, which checkpoints leave behind for the next ones and for
# proofs (the levels of c2sp.org/tlog-tiles; level 0 is LEAF.hash).
TREE_NODE = Table(
    "tree_node",
    METADATA,
    Column("level", Integer, primary_key=True),  # of 256: 1, 2, ...
    Column("position", SEQUENCE, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
)

CHECKPOINT = Table(
    "checkpoint",
    METADATA,
    Column("size", SEQUENCE, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),  # signed by the log
    Column("signed_at", Text, nullable=False),
)
