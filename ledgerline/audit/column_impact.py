"""Everything that reads one column of a contract: features, their versions, and what was made from those."""

from collections.abc import Mapping
from dataclasses import dataclass

from ledgerline.audit.impact import Impact, impact_of
from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.audit.log import EvidenceLog, UnknownLeaf


@dataclass(frozen=True, slots=True)
class ColumnImpact:
    """What reads a column.

    Attributes:
        column: ``contract.column``.
        features: The features that read it, by view, sorted.
        versions: The feature versions that hold one of them, oldest first.
        silent: How many feature versions do not say what they read: they were recorded before versions said so, or
            their view declares no probe to find out by.
        below: What was made from those versions. A model is among it that takes but some of their features.
    """

    column: str
    features: Mapping[str, tuple[str, ...]]
    versions: tuple[RecordedLeaf, ...]
    silent: int
    below: Impact


def column_impact(log: EvidenceLog, column: str) -> ColumnImpact:
    """Return everything that reads a column, by what feature versions say of themselves.

    Args:
        log: The evidence log.
        column: ``contract.column``, e.g. ``transactions.amount_minor``.

    Raises:
        UnknownLeaf: No feature version says that it reads it.
    """
    every = log.leaves(Kind.FEATURE_VERSION)
    reading = {leaf.id: _reading(leaf, column) for leaf in every}
    versions = tuple(leaf for leaf in every if reading[leaf.id])
    silent = sum("columns" not in leaf.detail for leaf in every)
    if not versions:
        raise UnknownLeaf(
            f"no recorded feature version says that it reads {column!r}; {len(every) - silent} say what they read, and "
            f"{silent} do not"
        )
    features: dict[str, set[str]] = {}
    for leaf in versions:
        features.setdefault(str(leaf.identity["view"]), set()).update(reading[leaf.id])
    named = {view: tuple(sorted(names)) for view, names in features.items()}
    return ColumnImpact(column, named, versions, silent, impact_of(log, versions))


def _reading(version: RecordedLeaf, column: str) -> list[str]:
    return [feature for feature, columns in version.detail.get("columns", {}).items() if column in columns]
