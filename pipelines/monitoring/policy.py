"""From when drift and age are worth an alert, as a checked value of `policies/monitoring.yaml`."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import content_id
from ledgerline.core.strict_yaml import read_yaml


class MonitoringPolicyInvalid(LedgerlineError):
    """The policy of monitoring does not say what it must."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DriftLimits(_Section):
    """When another population is seen.

    Attributes:
        feature_psi: Largest population stability index of a feature.
        score_psi: Largest of the scores.
        recent_days: By family, how many days before the feature version's ``as_of`` count as now.
        least_rows: Of fewer rows no index is computed.
        most_rows: Of more rows, evenly spaced ones are taken.
        bins: Into how many parts of equal size the training set is cut.
    """

    feature_psi: float = Field(gt=0)
    score_psi: float = Field(gt=0)
    recent_days: dict[str, int]
    least_rows: int = Field(ge=1)
    most_rows: int = Field(ge=1)
    bins: int = Field(ge=2)


class FreshnessLimits(_Section):
    """How old a dataset's newest row may be at the dataset's own present.

    Attributes:
        default_days: Where nothing else is said.
        days: By dataset.
    """

    default_days: float = Field(gt=0)
    days: dict[str, float]

    def of(self, dataset: str) -> float:
        """Return a dataset's limit in days."""
        return self.days.get(dataset, self.default_days)


class SkewLimits(_Section):
    """When a live job is served other features than are computed offline.

    Attributes:
        differing_share: Largest share of live decisions that were served other features than their rows have offline.
        least_rows: Of fewer decisions with a row offline, a share says nothing.
    """

    differing_share: float = Field(ge=0, le=1)
    least_rows: int = Field(ge=1)


class MonitoringPolicy(_Section):
    """Every limit."""

    drift: DriftLimits
    skew: SkewLimits
    freshness: FreshnessLimits

    @property
    def id(self) -> str:
        """Hash of all limits."""
        return content_id(self.model_dump(mode="json"))


def monitoring_policy(project: Path) -> MonitoringPolicy:
    """Read ``policies/monitoring.yaml`` of the project.

    Raises:
        MonitoringPolicyInvalid: The file is missing, or a field is wrong; every one is named.
    """
    path = project / "policies" / "monitoring.yaml"
    try:
        return MonitoringPolicy.model_validate(read_yaml(path.read_text(encoding="utf-8")))
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        problems = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors)
        raise MonitoringPolicyInvalid(f"{path}: {problems}") from invalid
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as unreadable:
        raise MonitoringPolicyInvalid(f"{path} cannot be read: {unreadable!r}") from unreadable
