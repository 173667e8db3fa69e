"""What counts as the code that made a model."""

from pathlib import Path

import pytest

from pipelines.training import run
from pipelines.training.family import family_named


def test_another_version_of_a_fitting_library_is_another_code(monkeypatch: pytest.MonkeyPatch):
    family = family_named("fraud")
    before = run.code_fingerprint(family)
    assert run.code_fingerprint(family) == before
    monkeypatch.setattr(run, "version", lambda name: "99" if name == "xgboost" else "1")
    upgraded = run.code_fingerprint(family)
    monkeypatch.setattr(run, "version", lambda name: "1")
    assert len({before, upgraded, run.code_fingerprint(family)}) == 3


def test_an_edit_of_one_familys_code_is_no_other_code_for_another_family(tmp_path: Path):
    class Own:
        name = "fraud"
        libraries = ("numpy",)

        def __init__(self, folder: str) -> None:
            self.code = (tmp_path / folder,)
            self.code[0].mkdir()
            (self.code[0] / "fit.py").write_text("1")

    one, other = Own("one"), Own("other")
    before = run.code_fingerprint(one), run.code_fingerprint(other)
    (tmp_path / "one" / "fit.py").write_text("2")
    assert run.code_fingerprint(one) != before[0]
    assert run.code_fingerprint(other) == before[1]
