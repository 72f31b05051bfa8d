"""Exports to an S3 server: all or nothing, as in a folder, and refusals name the object."""

import json
import socket
import threading

import pytest
import requests
from faults_harness import DAY, FIRST, bytes_of_conversions, random_account
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem
from werkzeug.serving import WSGIRequestHandler, make_server

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.export.conversions import Conversions
from airflow_provider_a360.export.job import Job
from airflow_provider_a360.export.publish import A360DestinationError, Destination

KEY, SECRET = "AKIAMADEUPKEYID00001", "made-up/secret+of/nobody0000000000000001"
PART = 5 * 2**20
"""The smallest part of a multipart upload that S3 accepts."""
REFUSAL = "<Error><Code>{}</Code><Message>{}</Message><AWSAccessKeyId>" + KEY + "</AWSAccessKeyId></Error>"


class QuietHandler(WSGIRequestHandler):
    def log(self, *_, **__):
        pass


class Storage:
    """An S3 server with the bucket `lake`; `fail` can answer writes with an error."""

    def __init__(self):
        self._app = DomainDispatcherApplication(create_backend_app)
        self.server = make_server("127.0.0.1", 0, self._handle, threaded=True, request_handler=QuietHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()
        self.files = S3FileSystem(key=KEY, secret=SECRET, endpoint_url=self.url, skip_instance_cache=True)
        # Airflow caches the file system of each connection id, so each server needs a new one.
        self.connection = f"storage_{self.server.server_port}"
        self.reset()

    def reset(self):
        """Delete everything, and create the empty bucket."""
        self.writes, self.fail = 0, None
        requests.post(f"{self.url}/moto-api/reset", timeout=30)
        self.files.invalidate_cache()
        self.files.mkdir("lake")

    def _handle(self, environ, start_response):
        if environ["REQUEST_METHOD"] in {"PUT", "POST"}:
            self.writes += 1
            if self.fail and (answer := self.fail(environ)):
                status, body = answer
                start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
                return [body]
        return self._app(environ, start_response)

    def objects(self):
        """Return the bytes of each object, read past s3fs's cache."""
        self.files.invalidate_cache()
        return {path: self.files.cat_file(path) for path in self.files.find("lake")}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def server():
    """Return the S3 server."""
    storage = Storage()
    yield storage
    storage.close()


def connection(url):
    """Return the Airflow connection to an S3 server, as JSON."""
    extra = {"endpoint_url": url, "region_name": "us-east-1", "config_kwargs": {"retries": {"max_attempts": 0}}}
    return json.dumps({"conn_type": "aws", "login": KEY, "password": SECRET, "extra": extra})


@pytest.fixture
def storage(server, monkeypatch):
    """Return the S3 server with an empty bucket and its connection defined."""
    server.reset()
    monkeypatch.setenv(f"AIRFLOW_CONN_{server.connection.upper()}", connection(server.url))
    monkeypatch.setattr(S3FileSystem, "retries", 1)
    return server


@pytest.fixture
def destination(storage):
    """Return a destination in the bucket."""
    return Destination(f"s3://{storage.connection}@lake/a360")


@pytest.fixture
def large(tmp_path):
    """Return a file that is uploaded in parts."""
    path = tmp_path / "finished.jsonl"
    path.write_bytes(b"0123456\n" * (PART * 5 // 2 // 8))
    return path


@pytest.fixture
def in_parts(monkeypatch):
    """Make s3fs upload in the smallest parts that S3 accepts."""
    monkeypatch.setattr("s3fs.core.calculate_chunksize", lambda *_, **__: PART)


def run(export, destination, file_format="jsonl"):
    """Export all conversions, and return the manifest."""
    sandbox = export.sandbox
    settings = Settings(secret=sandbox.api_key, base_url=sandbox.url, requests_per_second=1000)
    return Job(Conversions(), "all", Days(FIRST, export.last), destination, file_format).run(A360Client(settings))


@pytest.fixture
def task(export):
    """Return a sandbox with random conversions and its expected files."""
    return export(random_account(5, flows=2, days=3, most_rows=40), days=3)


@pytest.mark.parametrize("file_format", ["jsonl", "csv.gz", "parquet"])
def test_objects_have_the_same_bytes_as_files_in_a_folder_each_time(task, storage, destination, file_format, tmp_path):
    manifest = run(task, destination, file_format)
    first = storage.objects()
    again = run(task, destination, file_format)
    assert storage.objects() == first
    assert [file["uri"] for file in manifest["files"]] == [f"s3://{storage.connection}@{name}" for name in first]
    assert again["files"] == manifest["files"]
    local = run(task, Destination(str(tmp_path / "lake/a360")), file_format)
    assert local["rows"] == manifest["rows"] > 0
    assert {name.removeprefix("lake/"): content for name, content in first.items()} == {
        str(path.relative_to(tmp_path / "lake")): path.read_bytes()
        for path in (tmp_path / "lake").rglob("*")
        if path.is_file()
    }


def test_a_days_object_is_replaced_with_its_new_rows(task, storage, destination):
    run(task, destination)
    before = storage.objects()
    flow = max(task.sandbox.account.flows, key=lambda flow: len(flow.conversions))
    flow.remove_conversion(next(row for row in flow.conversions if FIRST <= row.conversion_date.date() <= task.last))
    run(task, destination)
    after = storage.objects()
    assert after.keys() == before.keys()
    flows = task.sandbox.account.flows
    for number in range(3):
        day = FIRST + number * DAY
        assert after[f"lake/a360/conversions/dt={day}/all.jsonl"] == bytes_of_conversions(flows, day)
    assert after != before


def refusal_of(code, message, status="403 Forbidden"):
    """Return a function that answers a write with an error of S3."""
    return lambda _: (status, REFUSAL.format(code, message).encode())


REFUSALS = {
    "denied": refusal_of("AccessDenied", "Access Denied"),
    "key": refusal_of("InvalidAccessKeyId", f"The AWS Access Key Id {KEY} does not exist in our records."),
    "quota": refusal_of("QuotaExceeded", "The bucket is full"),
    "broken": refusal_of("InternalError", "We encountered an internal error.", "500 Internal Server Error"),
    "busy": refusal_of("SlowDown", "Please reduce your request rate.", "503 Slow Down"),
    "gone": lambda environ: environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR) or ("200 OK", b""),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_refused_upload_names_the_destination_and_leaves_the_earlier_objects(task, storage, destination, refusal):
    run(task, destination)
    before = storage.objects()
    for flow in task.sandbox.account.flows:
        for row in flow.conversions[::2]:
            flow.remove_conversion(row)
    # The server accepts the first day's object and refuses the second's.
    later = f"dt={FIRST + DAY}"
    storage.fail = lambda environ: refusal(environ) if later in environ["PATH_INFO"] else None
    with pytest.raises(A360DestinationError) as caught:
        run(task, destination)
    name = f"lake/a360/conversions/{later}/all.jsonl"
    assert str(caught.value).startswith(f"Could not write s3://{storage.connection}@{name}: ")
    assert "The existing file, if there is one, is unchanged" in str(caught.value)
    assert KEY not in str(caught.value)
    assert SECRET not in str(caught.value)
    first = f"lake/a360/conversions/dt={FIRST}/all.jsonl"
    assert storage.objects() == before | {first: bytes_of_conversions(task.sandbox.account.flows, FIRST)}
    storage.fail = None
    run(task, destination)
    assert storage.objects()[name] == bytes_of_conversions(task.sandbox.account.flows, FIRST + DAY)


def test_a_missing_bucket_is_named(task, storage):
    with pytest.raises(A360DestinationError, match=f"Could not write s3://{storage.connection}@nowhere/a360/"):
        run(task, Destination(f"s3://{storage.connection}@nowhere/a360"))
    assert storage.objects() == {}


def test_an_unreachable_server_is_a_destination_error(task, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("AIRFLOW_CONN_NO_STORAGE", connection(url))
    monkeypatch.setattr(S3FileSystem, "retries", 1)
    with pytest.raises(A360DestinationError, match="Could not write s3://no_storage@lake/a360/") as caught:
        run(task, Destination("s3://no_storage@lake/a360"))
    assert SECRET not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_large_file_is_uploaded_in_parts(storage, destination, large, in_parts):
    destination.publish(large, "all.jsonl")
    assert storage.writes >= 5
    assert storage.objects() == {"lake/a360/all.jsonl": large.read_bytes()}


FAILURES = {
    "a part is refused": ("partNumber=2", REFUSALS["denied"]),
    "the connection breaks in a part": ("partNumber=3", REFUSALS["gone"]),
    "the server stops answering": ("partNumber=2", None),
    "the completion is refused": ("uploadId", REFUSALS["broken"]),
}


@pytest.mark.parametrize(("at", "failure"), FAILURES.values(), ids=FAILURES)
def test_a_failed_multipart_upload_leaves_the_earlier_object(storage, destination, large, in_parts, at, failure):
    destination.publish(large, "all.jsonl")
    before = storage.objects()
    large.write_bytes(b"7654321\n" * (PART * 5 // 2 // 8))
    dead = []

    def fail(environ):
        query = environ["QUERY_STRING"]
        if (at in query and (at != "uploadId" or environ["REQUEST_METHOD"] == "POST")) or dead:
            if failure:
                return failure(environ)
            dead.append(True)
            return REFUSALS["gone"](environ)
        return None

    storage.fail = fail
    with pytest.raises(A360DestinationError, match=f"Could not write s3://{storage.connection}@lake/a360/all.jsonl"):
        destination.publish(large, "all.jsonl")
    storage.fail = None
    assert storage.objects() == before
    destination.publish(large, "all.jsonl")
    assert storage.objects() == {"lake/a360/all.jsonl": large.read_bytes()}
