"""What counts as the code that made a model."""

import pytest

from pipelines.training import run


def test_another_version_of_a_fitting_library_is_another_code(monkeypatch: pytest.MonkeyPatch):
    before = run._code_fingerprint()
    assert run._code_fingerprint() == before
    monkeypatch.setattr(run, "version", lambda name: "99" if name == "xgboost" else "1")
    upgraded = run._code_fingerprint()
    monkeypatch.setattr(run, "version", lambda name: "1")
    assert len({before, upgraded, run._code_fingerprint()}) == 3
