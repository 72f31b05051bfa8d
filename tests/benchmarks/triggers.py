"""Deferred sensors of one account in one event loop: `triggers.py COUNT POLL_INTERVAL SECONDS`.

Says how long the loop was held at most, by a heartbeat each 2 ms.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from airflow_provider_a360.triggers.flow_queue import A360FlowQueueTrigger

BEAT = 0.002


async def heartbeat(holds: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(BEAT)
        holds.append(time.perf_counter() - began - BEAT)


async def main(count: int, poll_interval: float, seconds: float) -> None:
    holds: list[float] = []
    beat = asyncio.create_task(heartbeat(holds))
    deadline = time.time() + seconds
    triggers = [
        A360FlowQueueTrigger(
            a360_conn_id="a360_default", flow_id=number + 1, poll_interval=poll_interval, deadline=deadline + 3600
        )
        for number in range(count)
    ]
    waits = [asyncio.create_task(anext(trigger.run())) for trigger in triggers]
    await asyncio.wait(waits, timeout=seconds)
    beat.cancel()
    holds.sort(reverse=True)
    ended = sum(wait.done() for wait in waits)
    print(json.dumps({"longest_hold_ms": [round(hold * 1000, 1) for hold in holds[:5]], "ended": ended}), flush=True)
    # The polls under way are of no more interest.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
