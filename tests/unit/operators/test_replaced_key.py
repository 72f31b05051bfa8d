"""An export whose client secret is replaced while it runs."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_a360.api.errors import A360RevokedError
from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator
from airflow_provider_a360.sandbox import example, tokens
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
CONTEXT = {
    "data_interval_start": datetime(2026, 11, 18, tzinfo=UTC),
    "data_interval_end": datetime(2026, 11, 20, tzinfo=UTC),
    "dag_run": SimpleNamespace(run_after=NOW),
}
BOTH = [A360ExportConversionsOperator, A360ExportElementStatsOperator]


class Key:
    """The client secret, which can be replaced at the service and in the connection."""

    def __init__(self, sandbox, monkeypatch):
        self._sandbox, self._monkeypatch = sandbox, monkeypatch
        self.save(sandbox.client_secret)

    def save(self, secret):
        """Save a secret in the connection."""
        fields = {**json.loads(self._sandbox.connection_uri), "extra": {"requests_per_second": 1000}}
        self._monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", json.dumps(fields | {"password": secret}))

    def replace(self, secret):
        """Replace the secret at the service, and revoke all tokens."""
        self._monkeypatch.setattr(tokens, "CLIENT_SECRET", secret)
        self._sandbox.revoke_tokens()

    def replace_after(self, requests, *, save):
        """Replace the secret after so many admitted requests; with `save`, save it in the connection too."""
        admit, left = self._sandbox._tokens.admit, iter(range(requests))

        def counting(authorization):
            if next(left, None) is None and tokens.CLIENT_SECRET != "second":
                self.replace("second")
                if save:
                    self.save("second")
            return admit(authorization)

        self._monkeypatch.setattr(self._sandbox._tokens, "admit", counting)


@pytest.fixture
def sandbox():
    """Return a sandbox without a rate limit and with a fixed clock."""
    with Sandbox(options=SandboxOptions(requests_per_second=0), clock=lambda: NOW) as server:
        yield server


@pytest.fixture
def key(sandbox, monkeypatch):
    """Return the client secret, saved in the connection."""
    return Key(sandbox, monkeypatch)


def export(operator, folder):
    """Export into a folder, and return its files."""
    operator(task_id="export", flow_ids=example.MAIN_FLOW, destination=str(folder)).execute(CONTEXT)
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("requests", [1, 2])
@pytest.mark.parametrize("operator", BOTH)
def test_an_export_continues_with_the_saved_secret(sandbox, key, tmp_path, operator, requests):
    wanted = export(operator, tmp_path / "undisturbed")
    key.replace_after(requests, save=True)
    assert export(operator, tmp_path / "disturbed") == wanted
    assert 401 in [seen.status for seen in sandbox.requests]


@pytest.mark.parametrize("operator", BOTH)
def test_without_a_saved_secret_airflow_retries_once(sandbox, key, tmp_path, operator):
    key.replace_after(2, save=False)
    with pytest.raises(A360RevokedError, match="save the new ones in the connection"):
        export(operator, tmp_path)
    with pytest.raises(AirflowFailException, match="401"):
        export(operator, tmp_path)
    key.save("second")
    assert export(operator, tmp_path)
