"""What a model must show, as a checked value of `policies/gates.yaml`."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.strict_yaml import read_yaml
from pipelines.training.fraud.fit import ModelName
from pipelines.training.fraud.metrics import Metric


class GatePolicyInvalid(LedgerlineError):
    """The gates' policy does not say what it must."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BaselineGate(_Section):
    """How clearly a model must beat its baselines.

    Attributes:
        metric: A metric of the evaluation report.
        baselines: The models that it must beat.
        least_gain: What the whole 95 % interval of the paired difference over folds must exceed.
    """

    metric: Metric
    baselines: tuple[ModelName, ...] = Field(min_length=1)
    least_gain: float = Field(ge=0)


class ChampionGate(_Section):
    """How far a model may fall behind the one that serves.

    Attributes:
        metric: A metric of the evaluation report.
        margin: By how much its mean may be lower.
    """

    metric: Metric
    margin: float = Field(ge=0)


class ScanGate(_Section):
    """How large a bundle may be.

    Attributes:
        largest_file_bytes: Of any one file.
        largest_bundle_bytes: Of all files together.
    """

    largest_file_bytes: int = Field(gt=0)
    largest_bundle_bytes: int = Field(gt=0)


class LatencyGate(_Section):
    """How long one score may take.

    Attributes:
        p99_ms: Budget of the 99th percentile, milliseconds.
        rows: How many single rows are timed in a round.
    """

    p99_ms: float = Field(gt=0)
    rows: int = Field(ge=100)


class GatePolicy(_Section):
    """Every gate of one family."""

    beats_baselines: BaselineGate
    not_worse_than_champion: ChampionGate
    bundle_scan: ScanGate
    latency: LatencyGate


def gate_policy(project: Path, family: str) -> GatePolicy:
    """Read one family's gates from ``policies/gates.yaml`` of the project.

    Raises:
        GatePolicyInvalid: The file or the family's entry is missing, or a field is wrong; every one is named.
    """
    path = project / "policies" / "gates.yaml"
    try:
        document = read_yaml(path.read_text(encoding="utf-8"))
        return GatePolicy.model_validate(document[family])
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        problems = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors)
        raise GatePolicyInvalid(f"{path}, {family}: {problems}") from invalid
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as unreadable:
        raise GatePolicyInvalid(f"{path} has no readable entry for {family}: {unreadable!r}") from unreadable
