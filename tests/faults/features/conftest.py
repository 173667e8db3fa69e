"""The small project and its accepted days of the integration tests, here too."""

import importlib.util
from pathlib import Path

_SHARED = Path(__file__).parents[2] / "integration/features/conftest.py"
_spec = importlib.util.spec_from_file_location("features_fixtures", _SHARED)
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)

accept = _fixtures.accept
deliver = _fixtures.deliver
fingerprints = _fixtures.fingerprints
history = _fixtures.history
ledger = _fixtures.ledger
midnights = _fixtures.midnights
open_home = _fixtures.open_home
project = _fixtures.project
