"""Triggers in an event loop, as a triggerer runs them, with connections from the environment."""

import asyncio
import gc
import json
import logging
import socketserver
import threading
import time
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.execution_time import task_runner
from asgiref.sync import async_to_sync, sync_to_async

from airflow_provider_a360.sandbox import example, tokens
from airflow_provider_a360.sandbox.account import Account
from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.server import Sandbox
from airflow_provider_a360.triggers import flow_queue
from airflow_provider_a360.triggers.flow_queue import A360FlowQueueTrigger

PATH = f"/a360/autoresponders/{example.MAIN_FLOW}"
SECRETS = (Sandbox.client_secret, "second-secret")


@pytest.fixture
def sandbox():
    """Return a sandbox whose flow has contacts in its queue until a test advances `sandbox.now[0]`."""
    now = [datetime(2026, 11, 20, 10, tzinfo=UTC)]
    with Sandbox(
        Account.generate(now=now[0]), options=SandboxOptions(requests_per_second=0), clock=lambda: now[0]
    ) as server:
        server.now = now
        yield server


@pytest.fixture
def connect(monkeypatch):
    """Return a function that defines a connection to a sandbox in the environment."""

    def define(conn_id, sandbox, **changed):
        extra = {"requests_per_second": 1000, **changed.pop("extra", {})}
        fields = {**json.loads(sandbox.connection_uri), "extra": extra, **changed}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return define


def trigger(conn_id="ours", *, seconds=60.0, poll_interval=0.02, **more):
    """Return a trigger whose deadline is so many seconds from now."""
    return A360FlowQueueTrigger(
        a360_conn_id=conn_id,
        flow_id=example.MAIN_FLOW,
        poll_interval=poll_interval,
        deadline=time.time() + seconds,
        **more,
    )


async def event(one):
    """Run a trigger, and return the payload of its event."""
    return (await anext(one.run())).payload


def polls(sandbox):
    """Return the number of answered polls."""
    return sum(seen.path == PATH and seen.status == 200 for seen in sandbox.requests)


async def until(condition):
    """Wait for a condition that another thread changes."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def wait_for_polls(sandbox, more=2):
    """Wait for so many more answered polls."""
    wanted = polls(sandbox) + more
    await until(lambda: polls(sandbox) >= wanted)


@asynccontextmanager
async def running(*triggers):
    """Run triggers as tasks of the loop, and cancel them at the end."""
    waits = [asyncio.create_task(event(one)) for one in triggers]
    try:
        yield waits
    finally:
        for wait in waits:
            wait.cancel()
        for wait in waits:
            with suppress(asyncio.CancelledError):
                await wait


def replace_secret(sandbox, monkeypatch, secret="second-secret"):
    """Replace the client secret at the service, and revoke all tokens."""
    monkeypatch.setattr(tokens, "CLIENT_SECRET", secret)
    sandbox.revoke_tokens()


def test_triggers_continue_with_the_saved_secret(sandbox, connect, monkeypatch):
    connect("ours", sandbox)

    async def main():
        waiting = [trigger() for _ in range(3)]
        async with running(*waiting) as waits, asyncio.timeout(20):
            await wait_for_polls(sandbox)
            replace_secret(sandbox, monkeypatch)
            connect("ours", sandbox, password="second-secret")
            await wait_for_polls(sandbox, 6)
            assert not [wait for wait in waits if wait.done()]
            sandbox.now[0] += timedelta(minutes=5)
            payloads = await asyncio.gather(*waits)
        shown = [f"{vars(one)}{one.serialize()}{payload}" for one, payload in zip(waiting, payloads, strict=True)]
        assert not [secret for secret in SECRETS if secret in str(shown)]
        return payloads

    payloads = asyncio.run(main())
    assert [(payload["outcome"], payload["counts"]["in_queue"]) for payload in payloads] == [("drained", 0)] * 3
    assert 401 in {seen.status for seen in sandbox.requests}


def test_a_secret_replaced_only_at_the_service_ends_the_trigger_as_revoked(sandbox, connect, monkeypatch):
    connect("ours", sandbox)

    async def main():
        async with running(trigger()) as (wait,), asyncio.timeout(20):
            await wait_for_polls(sandbox)
            replace_secret(sandbox, monkeypatch)
            return await wait

    payload = asyncio.run(main())
    assert payload["outcome"] == "revoked"
    assert "save the new ones in the connection" in payload["message"]


def test_a_trigger_that_starts_with_a_refused_secret_ends_as_revoked(sandbox, connect):
    connect("ours", sandbox, password="old")
    payload = asyncio.run(event(trigger()))
    assert (payload["outcome"], "401" in payload["message"]) == ("revoked", True)


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"password": ""}, "no password"), ({"host": "http://api.example.com"}, "unencrypted")],
)
def test_an_invalid_connection_ends_the_trigger_as_failed(sandbox, connect, changed, named):
    connect("ours", sandbox, **changed)
    payload = asyncio.run(event(trigger()))
    assert payload["outcome"] == "failed"
    assert named in payload["message"]


def test_an_invalid_proxy_url_ends_the_trigger_as_failed(sandbox, connect, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://")
    connect("ours", sandbox, host="https://a360.example.com")
    payload = asyncio.run(event(trigger()))
    assert (payload["outcome"], "HTTPS_PROXY" in payload["message"]) == ("failed", True)


class SilentHandler(socketserver.BaseRequestHandler):
    """A handler that never answers."""

    def handle(self):
        self.server.accepted.release()
        self.server.released.wait(60)


@pytest.fixture
def dead(monkeypatch):
    """Return a server that accepts connections and doesn't answer before the end of the test."""
    monkeypatch.setattr(flow_queue, "POLL_DEADLINE", 0.1)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close, request_queue_size = True, False, 64

    with Server(("127.0.0.1", 0), SilentHandler) as server:
        server.released, server.accepted = threading.Event(), threading.Semaphore(0)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


def test_a_host_that_does_not_answer_delays_no_other_account(sandbox, connect, dead):
    connect("dead", sandbox, host=f"http://127.0.0.1:{dead.server_address[1]}", login="", password="key")
    connect("live", sandbox)

    async def main():
        async with running(*(trigger("dead") for _ in range(30)), trigger("live")), asyncio.timeout(10):
            # Wait until all eight threads of the dead account are busy.
            for _ in range(8):
                await until(lambda: dead.accepted.acquire(blocking=False))
            began = time.monotonic()
            await wait_for_polls(sandbox, 20)
            dead.released.set()
            return time.monotonic() - began

    assert asyncio.run(main()) < 5


def test_a_trigger_times_out_although_its_account_never_answers(sandbox, connect, dead):
    connect("dead", sandbox, host=f"http://127.0.0.1:{dead.server_address[1]}", login="", password="key")

    async def main():
        try:
            async with asyncio.timeout(10):
                return await asyncio.gather(*(event(trigger("dead", seconds=0.3)) for _ in range(12)))
        finally:
            dead.released.set()

    assert {payload["outcome"] for payload in asyncio.run(main())} == {"timed_out"}


def test_triggers_of_a_connection_share_threads_and_a_client_while_they_run(sandbox, connect):
    connect("ours", sandbox)
    # Objects of earlier tests may still be referenced by tracebacks.
    gc.collect()
    before = set(flow_queue._polls.values()), set(threading.enumerate())

    def polls():
        return set(flow_queue._polls.values()) - before[0]

    def threads():
        begun = set(threading.enumerate()) - before[1]
        return [thread for thread in begun if thread.name.startswith("a360-poll")]

    async def main():
        async with running(*(trigger() for _ in range(40))), asyncio.timeout(20):
            await wait_for_polls(sandbox, 60)
            assert len(polls()) == 1
            assert 1 < len(threads()) <= 8

    asyncio.run(main())
    gc.collect()
    for thread in threads():
        thread.join(5)
    assert len(polls()) == len(threads()) == 0
    assert len([seen for seen in sandbox.requests if seen.path.startswith("/oauth")]) == 1


def test_a_token_is_registered_for_masking_in_airflows_own_loop(monkeypatch, sandbox, connect):
    """Before Airflow 3.2.2, a message from another loop consumes Airflow's responses, and the triggerer crashes."""
    sent = []

    class Comms:
        async def asend(self, message):
            sent.append((str(getattr(message, "value", "")), asyncio.get_running_loop()))

        def send(self, message):
            return async_to_sync(self.asend)(message)

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Comms(), raising=False)
    connect("ours", sandbox)

    async def check():
        async with running(trigger()):
            await wait_for_polls(sandbox)
        return asyncio.get_running_loop()

    loop = asyncio.run(check())
    loops = [where for value, where in sent if value in sandbox._tokens._uses]
    assert loops == [loop]


def test_a_triggerer_too_busy_to_mask_a_token_delays_the_poll_and_nothing_else(monkeypatch, sandbox, connect, caplog):
    monkeypatch.setattr(flow_queue, "MASK_TIMEOUT", 0.1)
    connect("ours", sandbox)
    sandbox.now[0] += timedelta(minutes=5)
    sandbox.options.latency = 0.3

    async def check():
        wait = asyncio.create_task(event(trigger()))
        await until(lambda: sandbox.requests)
        # All triggers share one thread for synchronous calls. Block it while the token is on its way.
        await sync_to_async(time.sleep)(1.0)
        return await asyncio.wait_for(wait, 20)

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(check())["outcome"] == "drained"
    assert "too busy to mask the access token" in caplog.text
