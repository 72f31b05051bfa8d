"""Deferred sensors in one event loop: `triggers.py COUNT POLL_INTERVAL SECONDS CONNECTION…`, so many of each.

Says how long the loop was held at most, by a heartbeat each 2 ms, after how many seconds, and how much CPU time the
process took meanwhile: far less than the hold, and it was another process that had the machine. The triggers start as a
triggerer starts them, each in a turn of the loop, in a process that has imported what a triggerer's has. That is kept
from the garbage collector: one walk over it alone holds any triggerer for 0.1 s and more.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time

import airflow.jobs.triggerer_job_runner  # noqa: F401  # a triggerer's process is forked from one that has it

from airflow_provider_a360.triggers.flow_queue import A360FlowQueueTrigger

BEAT = 0.002


async def heartbeat(holds: list[tuple[float, float, float]]) -> None:
    while True:
        began, used = time.perf_counter(), time.process_time()
        await asyncio.sleep(BEAT)
        holds.append((time.perf_counter() - began - BEAT, began, time.process_time() - used))


async def main(count: int, poll_interval: float, seconds: float, conn_ids: list[str]) -> None:
    holds: list[tuple[float, float, float]] = []
    beat = asyncio.create_task(heartbeat(holds))
    deadline = time.time() + seconds
    triggers = [
        A360FlowQueueTrigger(
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
    beat.cancel()
    holds.sort(reverse=True)
    ended = sum(wait.done() for wait in waits)
    longest = [(round(hold * 1000, 1), round(at - began, 1), round(used * 1000, 1)) for hold, at, used in holds[:5]]
    print(json.dumps({"longest_holds": longest, "ended": ended}), flush=True)
    # The polls under way are of no more interest.
    os._exit(0)


if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
