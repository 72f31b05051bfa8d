"""An option of more than one folder of tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cases", type=int, default=0, help="random cases of the exports under faults and from odd services"
    )
