"""Fixtures for exports to an object store, with the random accounts of tests/faults."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path += [str(Path(__file__).parents[1] / room) for room in ("faults", "integration")]

from faults_harness import Export

from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox


@pytest.fixture
def export(tmp_path: Path) -> Iterator[Callable[..., Export]]:
    """Return a function that starts a sandbox and returns its expected files: `export(account, days=3)`."""
    with ExitStack() as stack:

        def start(account: Account, **kwargs: Any) -> Export:
            sandbox = stack.enter_context(Sandbox(account, options=SandboxOptions(requests_per_second=0)))
            return Export(None, sandbox, tmp_path, **kwargs)

        yield start
