"""The Condition element's filtered statistics, which the service's page prints at an e-mail's path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_a360.api.endpoints import ELEMENT_STATS_FILTERED, PRINTED_CONDITION_PATH
from airflow_provider_a360.api.errors import A360NoDataError

_EMAIL_COUNTERS = frozenset(
    {"sent", "delivered", "opened", "clicked", "errors", "error", "unsubscribed", "marked_as_spam"}
)


def stats_as_printed(
    get: Callable[[str, Mapping[str, str | int]], Any], element_id: int, params: Mapping[str, str | int]
) -> Any:
    """What `get` finds at the printed path, for when the Condition's own has nothing: an answer counts only if it is a
    Condition's, with `executed` and no counter of e-mails. Else an empty object.
    """
    try:
        answer = get(ELEMENT_STATS_FILTERED.format(path=PRINTED_CONDITION_PATH, element_id=element_id), params)
    except A360NoDataError:
        return {}
    data = answer.get("data") if isinstance(answer, dict) else None
    of_condition = isinstance(data, dict) and "executed" in data and not data.keys() & _EMAIL_COUNTERS
    return answer if of_condition else {}
