"""What a view holds, for whoever wants to read its features."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from feature_store.display import html_table, text_table
from feature_store.table_view import TableView
from feature_store.versions.sealed import SealedVersion
from feature_store.views import View

_FEATURE_HEADINGS = ("feature", "unit", "description")
_VIEW_HEADINGS = ("view", "features", "decided by", "TTL", "owner", "newest version", "description")
_SHOWN_DIGITS = 16


@dataclass(frozen=True, slots=True)
class FeatureDescription:
    """One feature.

    Attributes:
        name: Its name.
        unit: What the number counts; empty where the data named the feature.
        description: For the reader.
        kind: How it is declared, e.g. ``WindowAggregate``.
    """

    name: str
    unit: str
    description: str
    kind: str

    @classmethod
    def of(cls, view: View, name: str) -> "FeatureDescription":
        """Describe one of a view's features; of an open view only the name is known."""
        for feature in view.features:
            if feature.name == name:
                return cls(name, feature.unit, feature.description, type(feature).__name__)
        return cls(name, "", "", "column of the provider, or made of some")


@dataclass(frozen=True, slots=True)
class ViewDescription:
    """One view.

    Attributes:
        name: Its name.
        description: One sentence.
        owner: Who answers questions about it.
        decided_by: The columns that a decision names, besides its instant.
        ttl: How old what is read may be; None for no limit.
        sources: The contracts that it reads, as ``name@version``.
        features: In the order in which models see them.
        fingerprint: Today's definition, SHA-256.
        newest: The newest sealed version; None if there is none.
    """

    name: str
    description: str
    owner: str
    decided_by: tuple[str, ...]
    ttl: timedelta | None
    sources: tuple[str, ...]
    features: tuple[FeatureDescription, ...]
    fingerprint: str
    newest: SealedVersion | None

    @classmethod
    def of(cls, view: View, newest: SealedVersion | None) -> "ViewDescription":
        """Describe a view.

        Args:
            view: The declaration.
            newest: Its newest version, which also names the features of a view that is named by its data.
        """
        names = view.feature_names or (newest.features if newest else ())
        return cls(
            name=view.name,
            description=view.description,
            owner=view.owner,
            decided_by=view.looked_up_by if isinstance(view, TableView) else view.entities,
            ttl=view.ttl,
            sources=tuple(f"{contract.name}@{contract.version}" for contract in view.sources),
            features=tuple(FeatureDescription.of(view, name) for name in names),
            fingerprint=view.fingerprint,
            newest=newest,
        )

    def __repr__(self) -> str:
        about = "\n".join(f"{name:<12} {said}" for name, said in self._about.items())
        features = text_table(_FEATURE_HEADINGS, self._rows)
        return f"{self.name}: {self.description}\n{about}\n\n{features}"

    def _repr_html_(self) -> str:
        about = html_table(("", ""), self._about.items(), caption=f"{self.name}: {self.description}")
        return about + html_table(_FEATURE_HEADINGS, self._rows)

    @property
    def cells(self) -> tuple[str, ...]:
        """What a table of views says of it."""
        count = str(len(self.features)) if self.features else "named by the data"
        version = self.newest.id[:_SHOWN_DIGITS] if self.newest else "-"
        return self.name, count, ", ".join(self.decided_by), _span(self.ttl), self.owner, version, self.description

    @property
    def _about(self) -> dict[str, str]:
        return {
            "owner": self.owner,
            "decided by": f"{', '.join(self.decided_by)}, and an instant",
            "TTL": _span(self.ttl),
            "sources": ", ".join(self.sources),
            "definition": self.fingerprint[:_SHOWN_DIGITS],
            "newest": repr(self.newest) if self.newest else "no version is sealed",
        }

    @property
    def _rows(self) -> list[tuple[str, str, str]]:
        return [(feature.name, feature.unit, feature.description) for feature in self.features]


class ViewDescriptions(dict[str, ViewDescription]):
    """Views by name; it prints as a table."""

    def __init__(self, descriptions: Mapping[str, ViewDescription]) -> None:
        super().__init__(descriptions)

    def __repr__(self) -> str:
        return text_table(_VIEW_HEADINGS, (description.cells for description in self.values()))

    def _repr_html_(self) -> str:
        return html_table(_VIEW_HEADINGS, (description.cells for description in self.values()))


def _span(duration: timedelta | None) -> str:
    return "none" if duration is None else str(duration).removesuffix(", 0:00:00")
