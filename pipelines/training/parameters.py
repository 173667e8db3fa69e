"""Read ``params.yaml``: the knobs of training, one key a family."""

from pathlib import Path
from typing import Any

import yaml

from pipelines.training.errors import TrainingRefused

PARAMETERS_FILE = "params.yaml"


def family_parameters(folder: Path, family: str) -> dict[str, Any]:
    """Return one family's parameters from the ``params.yaml`` in ``folder``.

    Raises:
        TrainingRefused: No such file, or no such key in it.
    """
    path = folder / PARAMETERS_FILE
    try:
        parameters = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise TrainingRefused(f"{path} is missing; it holds the parameters of training") from missing
    if not isinstance(parameters, dict) or not isinstance(parameters.get(family), dict):
        raise TrainingRefused(f"{path} has no key {family!r}")
    return dict(parameters[family])
