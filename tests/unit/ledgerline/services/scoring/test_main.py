"""Where the job listens."""

from pathlib import Path

import pytest

from ledgerline.services.scoring.__main__ import main


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])  # noqa: S104 -- refused is the point
def test_an_address_beyond_this_machine_is_refused(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGERLINE_HOME", str(tmp_path / "home"))
    assert main(["--host", host, "--port", "0"]) == 2
    assert not (tmp_path / "home").exists()
