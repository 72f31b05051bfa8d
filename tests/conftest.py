"""The command-line option that several test folders share."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cases",
        type=int,
        default=0,
        help="number of random cases for tests/faults and tests/property/test_services_property.py",
    )
