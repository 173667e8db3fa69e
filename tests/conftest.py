"""What every test stands on."""

import os

# A developer's own settings must not leak into tests.
for name in [name for name in os.environ if name.startswith("LEDGERLINE_") and name != "LEDGERLINE_SHARED_DATA"]:
    del os.environ[name]
