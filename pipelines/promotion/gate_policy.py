"""What a model must show, as a checked value of `policies/gates.yaml`."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.strict_yaml import read_yaml
from pipelines.promotion.family_terms import FAMILY_TERMS


class GatePolicyInvalid(LedgerlineError):
    """The gates' policy does not say what it must."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BaselineGate(_Section):
    """How clearly a model must beat its baselines.

    Attributes:
        metric: A metric of the evaluation report, which says whether more of it is better.
        baselines: The models of the report that it must beat.
        least_gain: What the whole 95 % interval of the paired difference over folds must exceed.
    """

    metric: str = Field(min_length=1)
    baselines: tuple[str, ...] = Field(min_length=1)
    least_gain: float = Field(ge=0)


class ChampionGate(_Section):
    """How far a model may fall behind the one that serves.

    Attributes:
        metric: A metric of the evaluation report.
        margin: By how much its mean may be worse.
    """

    metric: str = Field(min_length=1)
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


class SignalGate(_Section):
    """How sure a price model's signal must be, and what must be left of it after costs.

    Attributes:
        least_t_over_days: Of the daily information coefficient on the test.
        least_share_of_seeds: Of seeds whose mean information coefficient is above zero.
        net_above_zero: Whether the whole interval of the yearly return after costs must lie above zero.
        net_above: Baselines whose return after costs must be beaten, the interval of the difference above zero.
    """

    least_t_over_days: float = Field(gt=0)
    least_share_of_seeds: float = Field(ge=0, le=1)
    net_above_zero: bool
    net_above: tuple[str, ...]


class FairnessGate(_Section):
    """Which figures about groups must be in the report, whatever they say: people judge them.

    Attributes:
        least_groups: How many groups must be compared to a reference.
    """

    least_groups: int = Field(ge=1)


class GatePolicy(_Section):
    """Every gate of one family; those that are None are not asked of it."""

    beats_baselines: BaselineGate
    not_worse_than_champion: ChampionGate
    bundle_scan: ScanGate
    latency: LatencyGate
    significant_signal: SignalGate | None = None
    fairness_reported: FairnessGate | None = None


def gate_policy(project: Path, family: str) -> GatePolicy:
    """Read one family's gates from ``policies/gates.yaml`` of the project.

    Raises:
        GatePolicyInvalid: The file or the family's entry is missing, or a field is wrong; every one is named.
    """
    path = project / "policies" / "gates.yaml"
    try:
        document = read_yaml(path.read_text(encoding="utf-8"))
        policy = GatePolicy.model_validate(document[family])
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        problems = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors)
        raise GatePolicyInvalid(f"{path}, {family}: {problems}") from invalid
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as unreadable:
        raise GatePolicyInvalid(f"{path} has no readable entry for {family}: {unreadable!r}") from unreadable
    if problems := _unknown_words(policy, family):
        raise GatePolicyInvalid(f"{path}, {family}: {'; '.join(problems)}")
    return policy


def _unknown_words(policy: GatePolicy, family: str) -> list[str]:
    """Return the metrics and baselines that no report of the family speaks of."""
    terms = FAMILY_TERMS[family]
    metrics = {
        "beats_baselines.metric": policy.beats_baselines.metric,
        "not_worse_than_champion.metric": policy.not_worse_than_champion.metric,
    }
    signal = policy.significant_signal
    baselines = {
        "beats_baselines.baselines": policy.beats_baselines.baselines,
        "significant_signal.net_above": signal.net_above if signal else (),
    }
    return [
        *(
            f"{place}: {name!r} is none of {_listed(terms.metrics)}"
            for place, name in metrics.items()
            if name not in terms.metrics
        ),
        *(
            f"{place}: {name!r} is none of {_listed(terms.baselines)}"
            for place, names in baselines.items()
            for name in names
            if name not in terms.baselines
        ),
    ]


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
