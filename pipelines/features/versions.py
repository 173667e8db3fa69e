"""Feature versions in the evidence log."""

from dataclasses import dataclass

from feature_store.errors import VersionUnknown
from ledgerline.audit import Kind, Ledger, RecordedLeaf


@dataclass(frozen=True, slots=True)
class FeatureVersion:
    """A recorded feature version.

    Attributes:
        id: Its leaf id.
        manifest_sha256: Hash of its manifest, which is an object too.
        commit: The workspace's commit that sealed it.
        tag: What names that commit for good.
        rows: Rows of features.
        partitions: Files that they are in.
        built: Whether this call built it; False if it was there.
    """

    id: str
    manifest_sha256: str
    commit: str
    tag: str
    rows: int
    partitions: int
    built: bool

    @classmethod
    def of(cls, leaf: RecordedLeaf, *, built: bool) -> "FeatureVersion":
        """Return a recorded version."""
        return cls(
            id=leaf.id,
            manifest_sha256=leaf.identity["manifest"],
            commit=leaf.detail["commit"],
            tag=leaf.detail["tag"],
            rows=leaf.detail["rows"],
            partitions=leaf.detail["partitions"],
            built=built,
        )


def versions(ledger: Ledger, view_name: str) -> list[RecordedLeaf]:
    """Return every recorded version of a view, oldest first."""
    return ledger.log.leaves(Kind.FEATURE_VERSION, view=view_name)


def version_named(ledger: Ledger, version: str) -> RecordedLeaf:
    """Return the feature version whose id starts with ``version``, or whose tag it is.

    Raises:
        VersionUnknown: None is, or several are.
    """
    found = [
        leaf
        for leaf in ledger.log.leaves(Kind.FEATURE_VERSION)
        if version and (leaf.id.startswith(version) or leaf.detail["tag"] == version)
    ]
    if len(found) != 1:
        raise VersionUnknown(
            f"{len(found) or 'no'} feature versions are called {version!r}; `ledgerline features versions` lists them"
        )
    return found[0]


def version_of(ledger: Ledger, view_name: str, version: str | None = None) -> RecordedLeaf:
    """Return a version of a view: the one that is named, or the newest.

    Raises:
        VersionUnknown: The view has none, or what is named is not one of its.
    """
    if version is None:
        newest = ledger.log.latest(Kind.FEATURE_VERSION, view=view_name)
        if newest is None:
            raise VersionUnknown(f"{view_name} has no version yet; `ledgerline features build {view_name}` makes one")
        return newest
    found = version_named(ledger, version)
    if found.identity["view"] != view_name:
        raise VersionUnknown(f"version {found.id[:16]} is one of {found.identity['view']}, not of {view_name}")
    return found
