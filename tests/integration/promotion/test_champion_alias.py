"""MLflow's alias follows a deployment, in a real registry."""

from pathlib import Path
from types import ModuleType

import pytest

from pipelines.promotion import deploy, rollback


@pytest.mark.slow
def test_the_champion_alias_follows_deployment_and_rollback(line: ModuleType, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    ledger = line.open_ledger(tmp_path / "home")
    (tmp_path / "home" / "mlflow").mkdir()
    client = MlflowClient(tracking_uri=ledger.settings.mlflow_uri, registry_uri=ledger.settings.mlflow_uri)
    client.create_registered_model("fraud")
    for _ in range(2):
        client.create_model_version("fraud", source=(tmp_path / "model").as_uri())

    def champion() -> str:
        return str(client.get_model_version_by_alias("fraud", "champion").version)

    for version in (1, 2):
        deploy(ledger, line.approved_model(ledger, trees=version, version=version))
        assert champion() == str(version)
    rollback(ledger, "fraud")
    assert champion() == "1"
