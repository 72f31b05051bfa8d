"""Run every case of the sensor and a week's backfills on a real scheduler and triggerer, once for all tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_backfills import Backfills
from airflow_harness import AirflowHome, Answer, Sandboxes, Standalone, connection

from airflow_provider_a360.sandbox.example import MAIN_FLOW
from airflow_provider_a360.sandbox.server import Sandbox

FORBIDDEN = Answer(403, {"message": "Not in your tariff", "error_code": 3030303030})
UNAUTHORISED = Answer(401, {"message": "Unauthorized!", "error_code": 401})
UNKNOWN = Answer(404, {"message": "Not found", "error_code": 404})
BAD_GATEWAY = Answer(502, "<html>Bad gateway</html>", times=2)
NO_JSON = Answer(200, {"autoresponder": 5})


@dataclass(frozen=True)
class Wait:
    """The service's answers, one per poll, and the expected end of the sensor in every mode."""

    answers: list
    state: str
    polls: int | None = None
    logged: tuple[str, ...] = ()
    logged_once: str = ""
    status: int = 1
    tries: int = 1
    options: dict = field(default_factory=dict)


WAITS = {
    "drained": Wait([3, 1, 0], "success", polls=3, logged=("in_queue is 3", "has drained")),
    "settled": Wait([0, 5, 0, 0], "success", polls=4, options={"settle_polls": 2}, logged=("in 1 of 2 polls",)),
    "null": Wait([None, "", 0], "success", polls=3, logged=("doesn't count as 0",)),
    "null_between": Wait([0, None, 0, 0], "success", polls=4, options={"settle_polls": 2}),
    "transient": Wait([4, BAD_GATEWAY, 0], "success", polls=4, logged=("502", "Retrying in")),
    "unreadable": Wait([4, NO_JSON, 0], "success", polls=3, logged=("still waiting",)),
    "paused": Wait(
        [5, 5, 5, 0],
        "success",
        status=3,
        polls=4,
        logged=("Still waiting",),
        logged_once="paused with 5 contacts",
    ),
    "timed_out": Wait([7], "failed", options={"timeout": 12}),
    "timed_out_softly": Wait([7], "skipped", options={"timeout": 12, "soft_fail": True}),
    "timed_out_never_failing": Wait([7], "skipped", options={"timeout": 12, "never_fail": True}),
    "unknown_never_failing": Wait([4, UNKNOWN], "skipped", options={"never_fail": True}, polls=2),
    "unknown": Wait([4, UNKNOWN], "failed", options={"soft_fail": True}, polls=2, logged=("does not exist",)),
    "unknown_at_first": Wait([0], "failed", options={"soft_fail": True, "flow_id": 999}, logged=("Flow 999 does not",)),
    "forbidden": Wait([4, FORBIDDEN], "failed", options={"soft_fail": True}, polls=2, logged=("Not in your tariff",)),
    "forbidden_at_first": Wait([FORBIDDEN], "failed", options={"soft_fail": True}, polls=1, logged=("plan includes",)),
    "unauthorised": Wait([UNAUTHORISED], "failed", options={"soft_fail": True}, logged=("Check the connection",)),
    # The task is retried, because the connection may hold a new secret by then. Here it doesn't.
    "revoked": Wait([4, UNAUTHORISED], "failed", tries=2, logged=("save the new ones", "Check the connection")),
    "stuck": Wait(
        [5], "failed", status=3, options={"fail_if_paused": True, "soft_fail": True}, polls=1, logged=("paused",)
    ),
    "stuck_later": Wait(
        [5], "failed", status=3, options={"fail_if_paused": "{{ ti.task_id != '' }}"}, logged=("paused",)
    ),
}


def sensor(name, **more):
    """Return the source of the sensor for a case of WAITS."""
    options = {"flow_id": MAIN_FLOW, "timeout": 600, **WAITS[name].options, **more}
    arguments = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return f"A360FlowQueueSensor({arguments})"


# With a shorter interval, a task can be due again before the scheduler has processed the end of its last poke; Airflow
# then takes it for killed.
MODES = {
    "rescheduled": {"mode": "reschedule", "poke_interval": 10},
    "deferred": {"deferrable": True, "poke_interval": 10},
}
WEEK_ENDS = datetime.now(UTC).date() - timedelta(days=3)
WEEK = [WEEK_ENDS - timedelta(days=number) for number in reversed(range(7))]


@dataclass
class Scheduled:
    """The finished runs; `sandboxes` are those of the sensors, by task id."""

    airflow: Standalone
    sandboxes: dict[str, Sandbox]
    backfills: Backfills


@contextmanager
def run_all(home: AirflowHome, lake: Path, sandboxes: Sandboxes) -> Iterator[Scheduled]:
    """Run every case of WAITS in both modes, and the backfills of the week."""
    servers = {
        f"{name}_{mode}": sandboxes.start_with_queue(*wait.answers, status=wait.status)
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
    env = {f"AIRFLOW_CONN_{task_id.upper()}": connection(sandbox) for task_id, sandbox in servers.items()}
    airflow = Standalone(home, env | backfills.env)
    backfills.create("exports")
    backfills.create("refused")
    with airflow:
        # This is about a hundred task processes: some minutes of work, and more on a busy machine.
        airflow.until(lambda: airflow.ended("waits", 1) and backfills.ended(airflow), 1200)
        # The scheduler checks every half minute whether a backfill is complete. Until then no other can be created.
        airflow.until(lambda: not airflow.query("SELECT id FROM backfill WHERE completed_at IS NULL"))
    yield Scheduled(airflow, servers, backfills)
