"""An export whose key is replaced while it runs."""

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
    """The client's secret, at the service and in the connection."""

    def __init__(self, sandbox, monkeypatch):
        self._sandbox, self._monkeypatch = sandbox, monkeypatch
        self.saved(sandbox.client_secret)

    def saved(self, secret):
        fields = {**json.loads(self._sandbox.connection_uri), "extra": {"requests_per_second": 1000}}
        self._monkeypatch.setenv("AIRFLOW_CONN_A360_DEFAULT", json.dumps(fields | {"password": secret}))

    def replaced(self, secret):
        self._monkeypatch.setattr(tokens, "CLIENT_SECRET", secret)
        self._sandbox.revoke_tokens()

    def replaced_after(self, requests, *, saved):
        """Once the service has let in so many requests."""
        admit, left = self._sandbox._tokens.admit, iter(range(requests))

        def counting(authorization):
            if next(left, None) is None and tokens.CLIENT_SECRET != "second":
                self.replaced("second")
                if saved:
                    self.saved("second")
            return admit(authorization)

        self._monkeypatch.setattr(self._sandbox._tokens, "admit", counting)


@pytest.fixture
def sandbox():
    with Sandbox(options=SandboxOptions(requests_per_second=0), clock=lambda: NOW) as server:
        yield server


@pytest.fixture
def key(sandbox, monkeypatch):
    return Key(sandbox, monkeypatch)


def export(operator, folder):
    operator(task_id="export", flow_ids=example.MAIN_FLOW, destination=str(folder)).execute(CONTEXT)
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("requests", [1, 2])
@pytest.mark.parametrize("operator", BOTH)
def test_it_goes_on_with_the_key_that_was_saved(sandbox, key, tmp_path, operator, requests):
    wanted = export(operator, tmp_path / "undisturbed")
    key.replaced_after(requests, saved=True)
    assert export(operator, tmp_path / "disturbed") == wanted
    assert 401 in [seen.status for seen in sandbox.requests]


@pytest.mark.parametrize("operator", BOTH)
def test_where_none_was_saved_airflow_may_try_again_once(sandbox, key, tmp_path, operator):
    key.replaced_after(2, saved=False)
    with pytest.raises(A360RevokedError, match="save the new ones in the connection"):
        export(operator, tmp_path)
    with pytest.raises(AirflowFailException, match="401"):
        export(operator, tmp_path)
    key.saved("second")
    assert export(operator, tmp_path)
