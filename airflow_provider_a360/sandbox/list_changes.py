"""Conversion lists that change while a client reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from airflow_provider_a360.sandbox.flow import Conversion, Flow
from airflow_provider_a360.sandbox.options import SandboxOptions


class ListChanges:
    """Add rows to the list that is being read, and remove rows from it.

    A new row has the dates of the newest conversion in the list: so it matches every filter that the list was read
    with, and is sorted next to that conversion in every order. Its id is higher than any other. Removed rows are chosen
    at random. Statistics and contact lists of the goals don't change.

    :param seed: decides which rows are removed
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._requests = 0

    def on_request(self, options: SandboxOptions, flow: Flow, rows: Sequence[Conversion]) -> None:
        """Count a request of a conversion list, and change the list with every `grow_every`-th request.

        :param options: how often the list changes, and by how many rows
        :param flow: the flow whose conversions are changed
        :param rows: the requested list, oldest first
        """
        self._requests += 1
        if not options.grow_every or self._requests % options.grow_every or not rows:
            return
        removed = self._random.sample(range(len(rows)), min(options.remove_rows, len(rows) - 1))
        last_id = max(row.id for row in flow.conversions)
        for number in range(options.grow_rows):
            flow.add_conversion(replace(rows[-1], id=last_id + 1 + number))
        for index in removed:
            flow.remove_conversion(rows[index])
