"""What a real scheduler and triggerer run, once for all tests: every wait of the sensor, and a week's backfills."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_backfills import Backfills
from airflow_harness import Answer, Home, Sandboxes, Standalone, connection

from airflow_provider_a360.sandbox.example import MAIN_FLOW
from airflow_provider_a360.sandbox.server import Sandbox

FORBIDDEN = Answer(403, {"message": "Not in your tariff", "error_code": 3030303030})
UNAUTHORISED = Answer(401, {"message": "Unauthorized!", "error_code": 401})
UNKNOWN = Answer(404, {"message": "Not found", "error_code": 404})
BAD_GATEWAY = Answer(502, "<html>Bad gateway</html>", times=2)
NO_JSON = Answer(200, {"autoresponder": 5})


@dataclass(frozen=True)
class Wait:
    """What the service says, poll by poll, and how the wait must end in every mode."""

    answers: list
    state: str
    polls: int | None = None
    says: tuple[str, ...] = ()
    says_once: str = ""
    status: int = 1
    tries: int = 1
    given: dict = field(default_factory=dict)


WAITS = {
    "drained": Wait([3, 1, 0], "success", polls=3, says=("in_queue is 3", "has drained")),
    "settled": Wait([0, 5, 0, 0], "success", polls=4, given={"settle_polls": 2}, says=("in 1 of 2 polls",)),
    "null": Wait([None, "", 0], "success", polls=3, says=("doesn't count as 0",)),
    "null_between": Wait([0, None, 0, 0], "success", polls=4, given={"settle_polls": 2}),
    "transient": Wait([4, BAD_GATEWAY, 0], "success", polls=4, says=("502", "Retrying in")),
    "unreadable": Wait([4, NO_JSON, 0], "success", polls=3, says=("still waiting",)),
    "paused": Wait(
        [5, 5, 5, 0],
        "success",
        status=3,
        polls=4,
        says=("Still waiting",),
        says_once="paused with 5 contacts",
    ),
    "timed_out": Wait([7], "failed", given={"timeout": 12}),
    "timed_out_softly": Wait([7], "skipped", given={"timeout": 12, "soft_fail": True}),
    "timed_out_never_failing": Wait([7], "skipped", given={"timeout": 12, "never_fail": True}),
    "unknown_never_failing": Wait([4, UNKNOWN], "skipped", given={"never_fail": True}, polls=2),
    "unknown": Wait([4, UNKNOWN], "failed", given={"soft_fail": True}, polls=2, says=("does not exist",)),
    "unknown_at_first": Wait([0], "failed", given={"soft_fail": True, "flow_id": 999}, says=("Flow 999 does not",)),
    "forbidden": Wait([4, FORBIDDEN], "failed", given={"soft_fail": True}, polls=2, says=("Not in your tariff",)),
    "forbidden_at_first": Wait([FORBIDDEN], "failed", given={"soft_fail": True}, polls=1, says=("tariff includes",)),
    "unauthorised": Wait([UNAUTHORISED], "failed", given={"soft_fail": True}, says=("Check the connection",)),
    # Worth a retry, as the connection may hold another key by then. Here it doesn't.
    "revoked": Wait([4, UNAUTHORISED], "failed", tries=2, says=("save the new ones", "Check the connection")),
    "stuck": Wait(
        [5], "failed", status=3, given={"fail_if_paused": True, "soft_fail": True}, polls=1, says=("paused",)
    ),
    "stuck_later": Wait([5], "failed", status=3, given={"fail_if_paused": "{{ ti.task_id != '' }}"}, says=("paused",)),
}


def sensor(name, **more):
    given = {"flow_id": MAIN_FLOW, "timeout": 600, **WAITS[name].given, **more}
    arguments = ", ".join(f"{key}={value!r}" for key, value in given.items())
    return f"A360FlowQueueSensor({arguments})"


# Airflow takes a task that is due again before its scheduler has heard of its end for one that was killed.
MODES = {
    "rescheduled": {"mode": "reschedule", "poke_interval": 10},
    "deferred": {"deferrable": True, "poke_interval": 10},
}
WEEK_ENDS = datetime.now(UTC).date() - timedelta(days=3)
WEEK = [WEEK_ENDS - timedelta(days=number) for number in reversed(range(7))]


@dataclass
class Scheduled:
    """What has been run; `sandboxes` are those of the waits."""

    airflow: Standalone
    sandboxes: dict[str, Sandbox]
    backfills: Backfills


@contextmanager
def all_run(home: Home, lake: Path, sandboxes: Sandboxes) -> Iterator[Scheduled]:
    """Every wait in both modes, and the week."""
    asked = {
        f"{name}_{mode}": sandboxes.telling(*wait.answers, status=wait.status)
        for name, wait in WAITS.items()
        for mode in MODES
    }
    waits = [
        sensor(name, task_id=f"{name}_{mode}", a360_conn_id=f"{name}_{mode}", **how)
        for name in WAITS
        for mode, how in MODES.items()
    ]
    home.dag("waits", "\n".join(waits), schedule='"@once"')
    backfills = Backfills.prepare(home, lake, sandboxes, WEEK)
    home.run("airflow", "dags", "reserialize")
    env = {f"AIRFLOW_CONN_{task_id.upper()}": connection(sandbox) for task_id, sandbox in asked.items()}
    airflow = Standalone(home, env | backfills.env)
    backfills.create("exports")
    backfills.create("refused")
    with airflow:
        # A hundred processes of tasks: minutes of work, and more of it where others work too.
        airflow.until(lambda: airflow.ended("waits", 1) and backfills.ended(airflow), 1200)
        # The scheduler looks every half minute whether a backfill is complete; until then there can't be another.
        airflow.until(lambda: not airflow.query("SELECT id FROM backfill WHERE completed_at IS NULL"))
    yield Scheduled(airflow, asked, backfills)
