"""The ledger and the hand-made landed batches of the unit tests, here too."""

import importlib.util
from pathlib import Path

_SHARED = Path(__file__).parents[2] / "unit/pipelines/validation/conftest.py"
_spec = importlib.util.spec_from_file_location("validation_fixtures", _SHARED)
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)

landing = _fixtures.landing
ledger = _fixtures.ledger
