"""Exports to an object store: the accounts are those of the tests of faults."""

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
    """A sandbox of an account and what its files must be: `export(account, days=3)`."""
    with ExitStack() as stack:

        def start(account: Account, **how: Any) -> Export:
            sandbox = stack.enter_context(Sandbox(account, options=SandboxOptions(requests_per_second=0)))
            return Export(None, sandbox, tmp_path, **how)

        yield start
