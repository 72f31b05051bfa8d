"""Run the sandbox in its own process: `server.py '{"rows": 1000, "knobs": {"latency": 0.15}}'`.

It prints its URL, and answers each line on stdin with statistics of the requests since the line before.
"""

import gc
import json
import sys
from bisect import bisect_right
from datetime import UTC, datetime, time, timedelta

from bench import FIRST_DAY, FLOW, spread

from airflow_provider_a360.sandbox.account import Account, Contact, Conversion, Element, Event, Flow
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import TOKEN_PATH, Sandbox

START = datetime.combine(FIRST_DAY, time(), UTC)
BEFORE = START - timedelta(days=90)


def conversions(rows, days):
    """Return one flow with so many conversions, spread evenly over the days."""
    start, goal = Element(10, "maintrigger", BEFORE), Element(11, "goal", BEFORE, "bought")
    made = []
    for number in range(rows):
        at = START + timedelta(seconds=spread(number, rows, days))
        element = goal if number % 10 else start
        made.append(
            Conversion(
                number + 1,
                element.type,
                element.id,
                f"person{number + 1}@example.com",
                f"15550100{number % 1000:03d}",
                at,
                at - timedelta(hours=1),
            )
        )
    return [Flow(FLOW, "Many conversions", 1, BEFORE, BEFORE, [start, goal], made)]


def elements(count):
    """Return one flow with so many elements, each executed on the first day."""
    person = Contact("person1@example.com", "15550100001", "1")
    events = [Event(1, person, START + timedelta(hours=1))]
    made = [Element(number + 1, "email", BEFORE, f"Letter {number + 1}", events=events) for number in range(count)]
    return [Flow(FLOW, "Many elements", 1, BEFORE, BEFORE, made)]


def queues(count):
    """Return so many flows whose queues never drain."""
    return [
        Flow(number + 1, "Waiting", 1, BEFORE, BEFORE, [Element(5000 + number, "maintrigger", BEFORE)], in_queue=5)
        for number in range(count)
    ]


def seen(requests):
    """Return statistics of requests; `busiest` is the most that passed within one second."""
    passed = [one.at for one in requests if one.status == 200]
    return {
        "requests": len(requests),
        "refused": sum(one.status == 429 for one in requests),
        "tokens": sum(one.path == TOKEN_PATH for one in requests),
        "busiest": max((bisect_right(passed, at + 1) - place for place, at in enumerate(passed)), default=0),
        "passed": len(passed),
        "seconds": passed[-1] - passed[0] if passed else 0.0,
    }


def main(rows=0, days=1, element_count=0, flow_count=0, knobs=None):
    if rows:
        flows = conversions(rows, days)
    else:
        flows = elements(element_count) if element_count else queues(flow_count)
    # Exclude the account's million objects from garbage collection, which would otherwise slow down the measured runs.
    gc.freeze()
    with Sandbox(Account(flows), options=SandboxOptions(**(knobs or {}))) as sandbox:
        print(json.dumps({"url": sandbox.url}), flush=True)
        for _ in sys.stdin:
            print(json.dumps(seen(sandbox.requests)), flush=True)
            sandbox.requests.clear()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
