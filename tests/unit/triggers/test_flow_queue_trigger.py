"""Triggers in an event loop, as the triggerer runs them; connections come from the environment."""

import asyncio
import gc
import json
import socketserver
import threading
import time
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.execution_time import task_runner
from asgiref.sync import async_to_sync

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
    """One whose flow has contacts in its queue, until `now` moves."""
    now = [datetime(2026, 11, 20, 10, tzinfo=UTC)]
    with Sandbox(
        Account.generate(now=now[0]), options=SandboxOptions(requests_per_second=0), clock=lambda: now[0]
    ) as server:
        server.now = now
        yield server


@pytest.fixture
def connect(monkeypatch):
    def defined(conn_id, sandbox, **changed):
        extra = {"requests_per_second": 1000, **changed.pop("extra", {})}
        fields = {**json.loads(sandbox.connection_uri), "extra": extra, **changed}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return defined


def trigger(conn_id="ours", *, seconds=60.0, poll_interval=0.02, **more):
    return A360FlowQueueTrigger(
        a360_conn_id=conn_id,
        flow_id=example.MAIN_FLOW,
        poll_interval=poll_interval,
        deadline=time.time() + seconds,
        **more,
    )


async def event(one):
    return (await anext(one.run())).payload


def polls(sandbox):
    return sum(seen.path == PATH and seen.status == 200 for seen in sandbox.requests)


async def until(seen):
    """Look a hundred times a second, as what is waited for happens in a thread."""
    while not seen():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def polled(sandbox, more=2):
    wanted = polls(sandbox) + more
    await until(lambda: polls(sandbox) >= wanted)


@asynccontextmanager
async def running(*triggers):
    waits = [asyncio.create_task(event(one)) for one in triggers]
    try:
        yield waits
    finally:
        for wait in waits:
            wait.cancel()
        for wait in waits:
            with suppress(asyncio.CancelledError):
                await wait


def replaced(sandbox, monkeypatch, secret="second-secret"):
    monkeypatch.setattr(tokens, "CLIENT_SECRET", secret)
    sandbox.revoke_tokens()


def test_a_wait_goes_on_with_the_key_that_was_saved(sandbox, connect, monkeypatch):
    connect("ours", sandbox)

    async def main():
        waiting = [trigger() for _ in range(3)]
        async with running(*waiting) as waits, asyncio.timeout(20):
            await polled(sandbox)
            replaced(sandbox, monkeypatch)
            connect("ours", sandbox, password="second-secret")
            await polled(sandbox, 6)
            assert not [wait for wait in waits if wait.done()]
            sandbox.now[0] += timedelta(minutes=5)
            ends = await asyncio.gather(*waits)
        shown = [f"{vars(one)}{one.serialize()}{end}" for one, end in zip(waiting, ends, strict=True)]
        assert not [secret for secret in SECRETS if secret in str(shown)]
        return ends

    ends = asyncio.run(main())
    assert [(end["outcome"], end["counts"]["in_queue"]) for end in ends] == [("drained", 0)] * 3
    assert 401 in {seen.status for seen in sandbox.requests}


def test_a_wait_whose_key_was_replaced_at_the_service_only_is_worth_a_retry(sandbox, connect, monkeypatch):
    connect("ours", sandbox)

    async def main():
        async with running(trigger()) as (wait,), asyncio.timeout(20):
            await polled(sandbox)
            replaced(sandbox, monkeypatch)
            return await wait

    end = asyncio.run(main())
    assert end["outcome"] == "revoked"
    assert "save the new ones in the connection" in end["message"]


def test_a_triggerer_that_starts_anew_after_the_key_was_replaced_leaves_it_to_a_retry(sandbox, connect):
    connect("ours", sandbox, password="old")
    end = asyncio.run(event(trigger()))
    assert (end["outcome"], "401" in end["message"]) == ("revoked", True)


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"password": ""}, "no password"), ({"host": "http://api.example.com"}, "unencrypted")],
)
def test_a_connection_that_can_not_be_used_ends_a_wait_for_good(sandbox, connect, changed, named):
    connect("ours", sandbox, **changed)
    end = asyncio.run(event(trigger()))
    assert end["outcome"] == "failed"
    assert named in end["message"]


def test_a_proxy_that_is_no_url_ends_a_wait_for_good(sandbox, connect, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://")
    connect("ours", sandbox, host="https://a360.example.com")
    end = asyncio.run(event(trigger()))
    assert (end["outcome"], "HTTPS_PROXY" in end["message"]) == ("failed", True)


class Silent(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.came.release()
        self.server.over.wait(60)


@pytest.fixture
def dead(monkeypatch):
    """A host that takes connections and never answers, until the test is over."""
    monkeypatch.setattr(flow_queue, "POLL_DEADLINE", 0.1)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close, request_queue_size = True, False, 64

    with Server(("127.0.0.1", 0), Silent) as server:
        server.over, server.came = threading.Event(), threading.Semaphore(0)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


def test_a_host_that_does_not_answer_holds_up_no_other_account(sandbox, connect, dead):
    connect("dead", sandbox, host=f"http://127.0.0.1:{dead.server_address[1]}", login="", password="key")
    connect("live", sandbox)

    async def main():
        async with running(*(trigger("dead") for _ in range(30)), trigger("live")), asyncio.timeout(10):
            # All threads that the dead account may have are waiting.
            for _ in range(8):
                await until(lambda: dead.came.acquire(blocking=False))
            began = time.monotonic()
            await polled(sandbox, 20)
            dead.over.set()
            return time.monotonic() - began

    assert asyncio.run(main()) < 5


def test_a_wait_ends_though_its_account_never_answers(sandbox, connect, dead):
    connect("dead", sandbox, host=f"http://127.0.0.1:{dead.server_address[1]}", login="", password="key")

    async def main():
        try:
            async with asyncio.timeout(10):
                return await asyncio.gather(*(event(trigger("dead", seconds=0.3)) for _ in range(12)))
        finally:
            dead.over.set()

    assert {end["outcome"] for end in asyncio.run(main())} == {"timed_out"}


def test_triggers_of_a_connection_share_threads_and_a_client_for_as_long_as_there_are_any(sandbox, connect):
    connect("ours", sandbox)
    # What tests before this one have left may still be held by their errors.
    gc.collect()
    before = set(flow_queue._polls.values()), set(threading.enumerate())

    def polls():
        return set(flow_queue._polls.values()) - before[0]

    def threads():
        begun = set(threading.enumerate()) - before[1]
        return [thread for thread in begun if thread.name.startswith("a360-poll")]

    async def main():
        async with running(*(trigger() for _ in range(40))), asyncio.timeout(20):
            await polled(sandbox, 60)
            assert len(polls()) == 1
            assert 1 < len(threads()) <= 8

    asyncio.run(main())
    gc.collect()
    for thread in threads():
        thread.join(5)
    assert len(polls()) == len(threads()) == 0
    assert len([seen for seen in sandbox.requests if seen.path.startswith("/oauth")]) == 1


def test_airflow_is_told_of_a_token_in_its_own_loop(monkeypatch, sandbox, connect):
    """What another loop says takes the answers of Airflow before 3.2.2, and its triggerer ends."""
    told = []

    class Comms:
        async def asend(self, message):
            told.append((str(getattr(message, "value", "")), asyncio.get_running_loop()))

        def send(self, message):
            return async_to_sync(self.asend)(message)

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Comms(), raising=False)
    connect("ours", sandbox)

    async def check():
        async with running(trigger()):
            await polled(sandbox)
        return asyncio.get_running_loop()

    loop = asyncio.run(check())
    tokens_told = [where for value, where in told if value in sandbox._tokens._uses]
    assert tokens_told == [loop]
