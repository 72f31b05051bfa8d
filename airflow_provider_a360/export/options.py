"""The words that an export's options take. Cheap to import: they are checked while a DAG is parsed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

from airflow_provider_a360.api import endpoints
from airflow_provider_a360.api.errors import A360ConfigError

FileFormat = Literal["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"]
PersonalData = Literal["keep", "hash", "drop"]
Grain = Literal["day", "run"]

_KNOWN: dict[str, Iterable[str]] = {
    "file_format": get_args(FileFormat),
    "personal_data": get_args(PersonalData),
    "grain": get_args(Grain),
    "kind": endpoints.CONVERSION_KINDS,
    "element_types": endpoints.ELEMENT_TYPES,
}


def check(name: str, value: Any) -> None:
    """Refuse a word that the option of this name doesn't know.

    Raises: A360ConfigError, which names those that it does.
    """
    if value not in _KNOWN[name]:
        raise A360ConfigError(f"{name} is {value!r}; it must be one of {', '.join(_KNOWN[name])}.")
