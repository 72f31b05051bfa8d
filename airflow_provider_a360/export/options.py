"""Define and check the allowed values of the export options.

Keep this module cheap to import: Airflow imports it each time it parses a DAG.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

from airflow_provider_a360.api import endpoints
from airflow_provider_a360.api.errors import A360ConfigError

FileFormat = Literal["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"]
PersonalData = Literal["keep", "hash", "drop"]
Grain = Literal["day", "run"]

_ALLOWED: dict[str, Iterable[str]] = {
    "file_format": get_args(FileFormat),
    "personal_data": get_args(PersonalData),
    "grain": get_args(Grain),
    "kind": endpoints.CONVERSION_KINDS,
    "element_types": endpoints.ELEMENT_TYPES,
}


def check(name: str, value: Any) -> None:
    """Check that an option has one of its allowed values.

    :param name: the option, such as "file_format".
    :param value: the value to check. Of a list option, such as "element_types", check each item.
    :raises A360ConfigError: if the value is not allowed. The message lists the allowed values.
    """
    if value not in _ALLOWED[name]:
        raise A360ConfigError(f"{name} is {value!r}; it must be one of {', '.join(_ALLOWED[name])}.")
