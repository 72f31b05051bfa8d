"""Conversion lists that don't hold still while they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from airflow_provider_a360.sandbox.flow import Conversion, Flow
from airflow_provider_a360.sandbox.options import SandboxOptions


class ListChanges:
    """Adds rows to the list that is being read, at its head, and removes some from anywhere in it.

    A new row bears the dates of the newest conversion in the list, so that it belongs in the list however that is
    filtered, and stands beside that one however it is sorted. It has a higher id than any row before it. Goals'
    statistics and contact lists don't follow.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._requests = 0

    def on_request(self, options: SandboxOptions, flow: Flow, rows: Sequence[Conversion]) -> None:
        """Count a request of a list (oldest first), and change the list where one is due."""
        self._requests += 1
        if not options.grow_every or self._requests % options.grow_every or not rows:
            return
        leaving = self._random.sample(range(len(rows)), min(options.remove_rows, len(rows) - 1))
        last_id = max(row.id for row in flow.conversions)
        for number in range(options.grow_rows):
            flow.add_conversion(replace(rows[-1], id=last_id + 1 + number))
        for index in leaving:
            flow.remove_conversion(rows[index])
