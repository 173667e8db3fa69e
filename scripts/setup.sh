#!/usr/bin/env bash
# Create .venv with a Python from 3.11 to 3.13 and install exactly what requirements.lock names, by hash.
# The lock is whole, so nothing is resolved again (`--no-deps`): see tool.uv in pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
uv_version=$1

supported='import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))'
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c "$supported" 2>/dev/null; then
  for candidate in ${PYTHON:-} python3.12 python3.11 python3.13 python3 python; do
    if command -v "$candidate" >/dev/null && "$candidate" -c "$supported" 2>/dev/null; then
      found=$candidate
      break
    fi
  done
  if [ -z "${found:-}" ]; then
    echo "Ledgerline needs Python 3.11, 3.12 or 3.13 on PATH (or PYTHON=/path/to/python make ...)." >&2
    exit 1
  fi
  echo "Creating .venv with $("$found" --version)"
  "$found" -m venv --clear .venv
fi

[ -x .venv/bin/uv ] || .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
[ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
echo "Installing the locked packages (about 4.5 GB on disk; a few minutes on a first, cold install)"
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet --no-deps --require-hashes --compile-bytecode -r requirements.lock
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet --no-deps --editable .
