"""A file is published as a whole or not at all; until then, the existing file is unchanged."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_a360.api.errors import A360ConfigError, A360ForbiddenError
from airflow_provider_a360.export import formats, publish, stage
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.element_stats import ElementStatistics
from airflow_provider_a360.export.publish import A360DestinationError, Destination
from airflow_provider_a360.sandbox import example

DAY = timedelta(days=1)
YESTERDAY = date(2026, 11, 19)


@pytest.fixture
def finished(tmp_path):
    path = tmp_path / "finished.jsonl"
    path.write_text("new")
    return path


@pytest.fixture
def memory():
    storage = attach(protocol="memory", fs=MemoryFileSystem()).fs
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


def test_publish_creates_folders_and_replaces_the_file(tmp_path, finished):
    destination = Destination(str(tmp_path / "a" / "b c"))
    uri = destination.publish(finished, "conversions/dt=2026-11-19/all.jsonl")
    target = tmp_path / "a/b c/conversions/dt=2026-11-19/all.jsonl"
    assert target.read_text() == "new"
    assert uri.startswith("file:///")
    finished.write_text("newer")
    destination.publish(finished, "conversions/dt=2026-11-19/all.jsonl")
    assert target.read_text() == "newer"
    assert [path.name for path in target.parent.iterdir()] == ["all.jsonl"]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o002, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_temporary_file_is_private_and_published_file_follows_the_umask(tmp_path, finished, monkeypatch, umask):
    while_written = []

    def copy(source, out, copy=publish.shutil.copyfileobj):
        while_written.append(mode(Path(out.name)))
        copy(source, out)

    monkeypatch.setattr(publish.shutil, "copyfileobj", copy)
    for _ in range(2):
        Destination(str(tmp_path / "lake")).publish(finished, "all.jsonl")
        assert mode(tmp_path / "lake/all.jsonl") == 0o666 & ~umask
    assert while_written == [0o600, 0o600]


def test_disk_without_permissions_is_written(tmp_path, finished, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refused)
    Destination(str(tmp_path / "lake")).publish(finished, "all.jsonl")
    assert (tmp_path / "lake/all.jsonl").read_text() == "new"


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "csv.gz", "parquet"])
def test_staged_files_are_private(export, monkeypatch, tmp_path, file_format, umask):
    staging = tmp_path / "staging"
    staging.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(staging))
    monkeypatch.setattr("airflow_provider_a360.export.stage._SORTED_AT_ONCE", 3)
    found = {}

    def look(*_, **__):
        for path in staging.rglob("*"):
            found.setdefault(mode(path), set()).add(path.suffix)

    def looking(owner, name):
        original = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, **kwargs: (original(*args, **kwargs), look())[0])

    looking(formats, "write")
    looking(stage.heapq, "merge")
    monkeypatch.setattr(Conversions, "sort_key", lambda _, row: (-row.conversion_id,))
    export(Conversions(), YESTERDAY, file_format=file_format)
    assert found.keys() == {0o700, 0o600}
    assert {".0", ".1", f".{file_format.rpartition('.')[2]}"} <= found[0o600]


def test_folder_may_be_a_uri_or_below_home(tmp_path, finished, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder in (f"file://{tmp_path}/uri", "~/lake"):
        Destination(folder).publish(finished, "all.jsonl")
    for folder in ("uri", "home/lake"):
        assert (tmp_path / folder / "all.jsonl").read_text() == "new"


@pytest.mark.parametrize(
    "folder",
    [
        "lake", "./lake", "file://lake", "local://lake", "~nobody-of-that-name/lake",
        "/data/../etc", "..", "s3://bucket/../other", "file:///data/..", "~/../lake",
    ],
)  # fmt: skip
def test_relative_folder_is_refused(folder):
    with pytest.raises(A360ConfigError, match=re.escape(f"destination is {folder!r}; give a folder")):
        Destination(folder)


@pytest.mark.parametrize(
    "folder", ["s3://key:hush-hush@bucket/a360", "file://us:hush-hush@/data", "simplecache::ftp://us:hush-hush@host/b"]
)
def test_credentials_in_a_destination_are_refused_and_not_shown(folder):
    with pytest.raises(A360ConfigError, match="destination holds credentials") as caught:
        Destination(folder)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("folder", ["", "  ", "None", None])
def test_empty_destination_is_refused(folder):
    with pytest.raises(A360ConfigError, match="destination"):
        Destination(folder)


@pytest.mark.parametrize(
    "folder",
    [
        "simplecache::s3://bucket/a360", "/data/a::b", "filecache::file:///data", "/data/a360\nsecond", "/data/\ta360",
        "/data/a360\x00", "s3://bucket/\x1b[0m", "/data/\x85a360", "/data/\u2028a360", "/data/\ud800",
    ],
)  # fmt: skip
def test_destination_with_forbidden_characters_is_refused(folder):
    with pytest.raises(A360ConfigError, match=re.escape(f"destination is {folder!r}")):
        Destination(folder)


def test_whitespace_around_a_destination_is_ignored(tmp_path, finished):
    Destination(f" {tmp_path / 'lake'}\n").publish(finished, "all.jsonl")
    assert (tmp_path / "lake/all.jsonl").read_text() == "new"


def test_error_for_missing_storage_package_names_the_remedy():
    with pytest.raises(A360ConfigError, match="provider"):
        Destination("nowhere://bucket/a360")


@pytest.mark.parametrize("step", ["write", "sync", "rename"])
def test_failed_write_leaves_only_the_existing_file(tmp_path, finished, monkeypatch, step):
    destination = Destination(str(tmp_path / "lake"))
    destination.publish(finished, "all.jsonl")
    finished.write_text("newer")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    names = {"write": (publish.shutil, "copyfileobj"), "sync": (os, "fsync"), "rename": (Path, "replace")}
    monkeypatch.setattr(*names[step], full)
    with pytest.raises(A360DestinationError, match="No space left"):
        destination.publish(finished, "all.jsonl")
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["all.jsonl"]
    assert (tmp_path / "lake/all.jsonl").read_text() == "new"


def test_destination_that_is_a_file_is_an_error(tmp_path, finished):
    with pytest.raises(A360DestinationError, match="Could not write"):
        Destination(str(finished)).publish(finished, "all.jsonl")
    assert finished.read_text() == "new"


def test_failed_export_leaves_existing_files_unchanged(serve):
    export = serve()
    span = YESTERDAY - 2 * DAY, YESTERDAY
    export(Conversions(), *span, page_size=5)
    earlier = export.tree()
    flow = export.account.flow(example.MAIN_FLOW)
    for day in range(3):
        flow.remove_conversion(flow.conversions_on(YESTERDAY - day * DAY)[0])
    export.sandbox.answer_next("/a360/autoresponders/303101/conversions", status=403, body={"message": "Tariff"})
    with pytest.raises(A360ForbiddenError):
        export(Conversions(), *span, page_size=5)
    assert export.tree() == earlier
    export(Conversions(), *span, page_size=5)
    assert export.tree().keys() == earlier.keys()
    assert not set(export.tree().values()) & set(earlier.values())


@contextmanager
def threads_ending():
    """Check that the client's threads that start within the block end soon after it."""
    before = set(threading.enumerate())
    yield
    begun = [thread for thread in threading.enumerate() if thread not in before and thread.name.startswith("a360")]
    for thread in begun:
        thread.join(5)
    assert not any(thread.is_alive() for thread in begun)


def test_pending_requests_do_not_delay_a_failed_export(serve):
    export = serve()
    flows = [example.MAIN_FLOW, example.PAUSED_FLOW]
    for _ in range(8):
        busy = {"status": 503, "headers": {"Retry-After": "50"}}
        export.sandbox.answer_next(f"/a360/autoresponders/{example.PAUSED_FLOW}/conversions", **busy)
    export.sandbox.answer_next(f"/a360/autoresponders/{example.MAIN_FLOW}/conversions", status=403)
    with threads_ending(), pytest.raises(A360ForbiddenError):
        export(Conversions(), YESTERDAY, flows=flows)


def test_pending_requests_do_not_delay_a_finished_export(serve):
    class Curious(Conversions):
        def batches(self, client, *args, **kwargs):
            pool.submit(client.flow, example.EMPTY_FLOW)
            return super().batches(client, *args, **kwargs)

    export = serve()
    busy = {"status": 503, "headers": {"Retry-After": "50"}}
    export.sandbox.answer_next(f"/a360/autoresponders/{example.EMPTY_FLOW}", times=100, **busy)
    pool = ThreadPoolExecutor(1, thread_name_prefix="a360")
    with threads_ending():
        assert export(Curious(), YESTERDAY, flows=[example.MAIN_FLOW])["rows"]
        pool.shutdown(wait=False)


def test_staged_files_are_removed_after_a_failure(serve, monkeypatch, tmp_path):
    staging = tmp_path / "staging"
    staging.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(staging))
    export = serve()
    export(Conversions(), YESTERDAY)
    export.sandbox.answer_next("/a360/autoresponders/303101/conversions", status=403)
    with pytest.raises(A360ForbiddenError):
        export(Conversions(), YESTERDAY)
    assert list(staging.iterdir()) == []


_RUN = """
    import os, shutil, signal, sys
    from datetime import date
    from airflow_provider_a360.api.client import A360Client
    from airflow_provider_a360.api.days import Days
    from airflow_provider_a360.api.settings import Settings
    from airflow_provider_a360.export.element_stats import ElementStatistics
    from airflow_provider_a360.export.job import Job
    from airflow_provider_a360.export.publish import Destination

    url, folder = sys.argv[1:]
    copy, published = shutil.copyfileobj, 0

    def die_in_the_third(source, out):
        global published
        if out.name.endswith(".tmp"):
            published += 1
        if published == 3:
            out.write(source.read(40))
            out.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        copy(source, out)

    shutil.copyfileobj = die_in_the_third
    days = Days(date(2026, 11, 13), date(2026, 11, 19))
    job = Job(ElementStatistics(), "all", days, Destination(folder), "jsonl")
    job.run(A360Client(Settings(secret="sp_apikey_sandbox", base_url=url, requests_per_second=1000)))
"""


def test_killed_export_leaves_only_complete_files(serve, tmp_path):
    export = serve()
    first = date(2026, 11, 13)
    export(ElementStatistics(), first, YESTERDAY, to="before")
    before = export.tree("before")
    export(ElementStatistics(), first, YESTERDAY)
    for flow in export.account.flows:
        flow.name += ", renamed"
    export(ElementStatistics(), first, YESTERDAY, to="after")
    after = export.tree("after")
    assert not set(before.values()) & set(after.values())

    folder, staging = export.folder / "lake", tmp_path / "staging"
    staging.mkdir()
    command = [sys.executable, "-c", textwrap.dedent(_RUN), export.sandbox.url, str(folder)]
    run = subprocess.run(command, env={**os.environ, "TMPDIR": str(staging)}, capture_output=True, check=False)
    assert run.returncode == -signal.SIGKILL

    found = export.tree()
    visible = {name: content for name, content in found.items() if not Path(name).name.startswith(".")}
    assert visible.keys() == before.keys()
    new = {name: after[name] for name in sorted(after)[:2]}
    assert visible == {**before, **new}
    leftovers = [Path(name) for name in found.keys() - visible.keys()]
    assert [path.suffix for path in leftovers] == [".tmp"]
    assert not (set(export.folder.rglob("*.jsonl")) & {export.folder / "lake" / path for path in leftovers})

    export(ElementStatistics(), first, YESTERDAY)
    assert {name: content for name, content in export.tree().items() if name in before} == after


@pytest.mark.parametrize("file_format", ["jsonl", "csv.gz", "parquet"])
def test_object_storage_holds_the_same_files_as_a_folder(export, memory, file_format):
    span = YESTERDAY - DAY, YESTERDAY
    export(Conversions(), *span, file_format=file_format)
    manifest = export(Conversions(), *span, file_format=file_format, to="memory://bucket/a360")
    again = export(Conversions(), *span, file_format=file_format, to="memory://bucket/a360")
    found = {path.removeprefix("/bucket/a360/"): memory.cat_file(path) for path in memory.find("/")}
    assert found == export.tree()
    # Before Airflow 3.2, the URI has a third slash.
    uris = [file["uri"].replace(":///", "://") for file in manifest["files"]]
    assert uris == [f"memory://bucket/a360/{name}" for name in sorted(found)]
    assert again["files"] == manifest["files"]


def test_failed_upload_leaves_the_existing_file(memory, finished, monkeypatch):
    destination = Destination("memory://bucket/a360")
    destination.publish(finished, "all.jsonl")
    finished.write_text("newer")

    def denied(*_, **__):
        raise PermissionError("Access Denied for ada@example.com")

    monkeypatch.setattr(MemoryFileSystem, "put_file", denied)
    with pytest.raises(A360DestinationError, match="Access Denied") as caught:
        destination.publish(finished, "all.jsonl")
    assert "ada@" not in str(caught.value)
    assert memory.cat_file("/bucket/a360/all.jsonl") == b"new"


LISTENER = """
from airflow.plugins_manager import AirflowPlugin
try:
    from airflow.sdk.lineage import HookLineageReader
except ImportError:  # until Airflow 3.2
    from airflow.lineage.hook import HookLineageReader

class Lineage(AirflowPlugin):
    name = "lineage"
    hook_lineage_readers = [HookLineageReader]
"""


def test_file_whose_uri_is_too_long_for_lineage_is_published(tmp_path, finished):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "lineage.py").write_text(LISTENER)
    folders = [tmp_path / "short", tmp_path.joinpath(*["x" * 200] * 8)]
    code = f"""
        from pathlib import Path
        from airflow.providers.common.compat.sdk import get_hook_lineage_collector
        from airflow_provider_a360.export.publish import Destination

        for folder in {[str(folder) for folder in folders]!r}:
            Destination(folder).publish(Path({str(finished)!r}), "all.jsonl")
        print(*[info.asset.uri for info in get_hook_lineage_collector().collected_assets.outputs])
    """
    env = os.environ | {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path / "plugins")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"file://{folders[0]}/all.jsonl"
    assert [(folder / "all.jsonl").read_text() for folder in folders] == ["new", "new"]
