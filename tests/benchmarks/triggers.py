"""Run COUNT triggers per connection in one event loop: `triggers.py COUNT POLL_INTERVAL SECONDS CONNECTION…`.

Prints for each base URL the number of answered polls and the longest gap between two answers for one flow. A heartbeat
every 2 ms measures how long the loop is blocked. For the longest blocks it prints the duration, the time since the
start, and the CPU time of the loop's thread and of the process meanwhile: if both are much shorter than the block,
other processes had the CPU.

The triggers start as in a triggerer: one per iteration of the loop, in a process that has imported what a triggerer
imports. Those objects are excluded from garbage collection, because one collection of them blocks any triggerer for at
least 0.1 s.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

import airflow.jobs.triggerer_job_runner  # noqa: F401  # as in a triggerer's process

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.hooks import connection
from airflow_provider_a360.triggers import flow_queue

BEAT = 0.002

answers: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
"""The times when each flow's polls were answered, by base URL and flow id."""


class Counted(A360Client):
    """A client that records when a poll is answered."""

    def __init__(self, settings, **more):
        super().__init__(settings, **more)
        self._answers = answers[settings.base_url]

    def flow(self, flow_id):
        details = super().flow(flow_id)
        self._answers[flow_id].append(time.perf_counter())
        return details


class Hold(NamedTuple):
    """How long the loop was blocked (ms), when (s), and the CPU time of its thread and of the process (ms)."""

    wall: float
    at: float
    of_loop: float
    of_process: float


async def heartbeat(holds: list[Hold]) -> None:
    """Measure for each heartbeat how much too late the loop runs it."""
    start = time.perf_counter()
    while True:
        began, of_loop, of_process = time.perf_counter(), time.thread_time(), time.process_time()
        await asyncio.sleep(BEAT)
        held = time.perf_counter() - began - BEAT
        of_loop, of_process = time.thread_time() - of_loop, time.process_time() - of_process
        holds.append(Hold(held * 1000, began - start, of_loop * 1000, of_process * 1000))


def longest_gap(times: list[float], began: float, ended: float) -> float:
    """Return the longest time between answers, from the first one on, since all flows start at the same time."""
    return max(later - earlier for earlier, later in pairwise([*(times or [began]), ended]))


async def main(count: int, poll_interval: float, seconds: float, conn_ids: list[str]) -> None:
    connection.A360Client = Counted
    holds: list[Hold] = []
    beat = asyncio.create_task(heartbeat(holds))
    deadline = time.time() + seconds
    triggers = [
        flow_queue.A360FlowQueueTrigger(
            a360_conn_id=conn_id, flow_id=number + 1, poll_interval=poll_interval, deadline=deadline + 3600
        )
        for number in range(count)
        for conn_id in conn_ids
    ]
    began, waits = time.perf_counter(), []
    for trigger in triggers:
        waits.append(asyncio.create_task(anext(trigger.run())))
        await asyncio.sleep(0)
    await asyncio.wait(waits, timeout=seconds)
    ended = time.perf_counter()
    beat.cancel()
    polls = {
        url: {
            "answered": sum(map(len, of_flows.values())),
            "longest_gap": max(longest_gap(of_flows[number + 1], began, ended) for number in range(count)),
        }
        for url, of_flows in answers.items()
    }
    figures = {
        "longest_holds": [[round(figure, 1) for figure in hold] for hold in sorted(holds, reverse=True)[:5]],
        "most_cpu_of_loop": max(round(hold.of_loop, 1) for hold in holds),
        "polls": polls,
        "ended": sum(wait.done() for wait in waits),
    }
    print(json.dumps(figures), flush=True)
    # Don't wait for the polls that are in progress.
    os._exit(0)


if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
