"""Profiles of all property tests: the same examples every time, and no deadline on a busy machine."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "project", deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")


def pytest_configure(config: pytest.Config) -> None:
    cases = config.getoption("--cases")
    settings.register_profile(
        "services",
        settings.get_profile("project"),
        max_examples=cases or 250,
        # The same cases each time in CI, others each time where more are asked for.
        derandomize=not cases,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
