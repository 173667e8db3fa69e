"""The environment of Feast, which wants other versions than ours: made once, from `feast.txt`, and used again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_WANTED = Path(__file__).with_name("feast.txt")
_ENVIRONMENT = _ROOT / ".cache" / "benchmarks" / "feast"


def feast_python() -> Path | None:
    """Return the interpreter that has Feast; None, said why, where it cannot be made.

    Made by uv, which asks a package index, in `.cache/benchmarks/feast`; again when `feast.txt` has changed.
    """
    python = _ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = _WANTED.read_text()
    stamp = _ENVIRONMENT / "made-of.txt"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        print("uv is not there: Feast is left out", flush=True)
        return None
    print(f"making Feast's environment in {_ENVIRONMENT}", flush=True)
    shutil.rmtree(_ENVIRONMENT, ignore_errors=True)
    made = subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(_ENVIRONMENT)], check=False)
    if made.returncode == 0:
        made = subprocess.run([uv, "pip", "install", "-q", "--python", str(python), "-r", str(_WANTED)], check=False)
    if made.returncode:
        print("it could not be made: Feast is left out", flush=True)
        return None
    stamp.write_text(wanted)
    return python
