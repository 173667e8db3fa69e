"""The tables of the evidence database. Rooms whose effects commit with a leaf add theirs to the same metadata."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

METADATA = MetaData()

# SQLite only gives an INTEGER primary key the row's own number.
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")

LEAF = Table(
    "leaf",
    METADATA,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(32), nullable=False, index=True),
    Column("identity", LargeBinary, nullable=False),  # canonical JSON
    Column("detail", LargeBinary, nullable=False),  # canonical JSON
    Column("recorded_at", Text, nullable=False),
    Column("chain_hash", String(64), nullable=False),
)

EDGE = Table(
    "edge",
    METADATA,
    Column("child", String(64), ForeignKey("leaf.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("parent", String(64), ForeignKey("leaf.id"), nullable=False),
    Column("role", String(32), nullable=False),
    Index("edge_parent", "parent"),
)
