"""Deferred sensors in one event loop: `triggers.py COUNT POLL_INTERVAL SECONDS CONNECTION…`, so many of each.

Says for each base URL how many polls were answered, and how long a flow had to do without another answer at most. Says
how long the loop was held at most, by a heartbeat each 2 ms, after how many seconds, and how much CPU time the loop's
thread and the whole process took meanwhile: far less than the hold, and another process had the machine. The triggers
start as a triggerer starts them, each in a turn of the loop, in a process that has imported what a triggerer's has.
That is kept from the garbage collector: one walk over it alone holds any triggerer for 0.1 s and more.
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

import airflow.jobs.triggerer_job_runner  # noqa: F401  # a triggerer's process is forked from one that has it

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.triggers import flow_queue

BEAT = 0.002

answers: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
"""When each flow's polls were answered, by base URL."""


class Counted(A360Client):
    """The client, which notes when a poll is answered."""

    def __init__(self, settings, **more):
        super().__init__(settings, **more)
        self._answers = answers[settings.base_url]

    def flow(self, flow_id):
        details = super().flow(flow_id)
        self._answers[flow_id].append(time.perf_counter())
        return details


class Hold(NamedTuple):
    """How long the loop was held, in milliseconds; at which second; of CPU time, in milliseconds."""

    wall: float
    at: float
    of_loop: float
    of_process: float


async def heartbeat(holds: list[Hold]) -> None:
    start = time.perf_counter()
    while True:
        began, of_loop, of_process = time.perf_counter(), time.thread_time(), time.process_time()
        await asyncio.sleep(BEAT)
        held = time.perf_counter() - began - BEAT
        of_loop, of_process = time.thread_time() - of_loop, time.process_time() - of_process
        holds.append(Hold(held * 1000, began - start, of_loop * 1000, of_process * 1000))


def longest_gap(times: list[float], began: float, ended: float) -> float:
    """Seconds without an answer: behind the first one, since all flows start at once and wait for the pace then."""
    return max(later - earlier for earlier, later in pairwise([*(times or [began]), ended]))


async def main(count: int, poll_interval: float, seconds: float, conn_ids: list[str]) -> None:
    flow_queue.A360Client = Counted
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
    said = {
        "longest_holds": [[round(figure, 1) for figure in hold] for hold in sorted(holds, reverse=True)[:5]],
        "most_cpu_of_loop": max(round(hold.of_loop, 1) for hold in holds),
        "polls": polls,
        "ended": sum(wait.done() for wait in waits),
    }
    print(json.dumps(said), flush=True)
    # The polls under way are of no more interest.
    os._exit(0)


if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
