"""Hypothesis profiles: the same examples every time, and no deadline, because the machine may be busy."""

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
        # CI runs the same cases each time. With --cases, the cases are new each time.
        derandomize=not cases,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
