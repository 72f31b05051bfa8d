"""The HTTP session: proxies and certificates of the environment, against a real proxy and real TLS, and adapters."""

import io
import ipaddress
import select
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from api_support import TOKEN_PATH, asked, connect, connect_by_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.errors import A360ConfigError, A360RequestError, A360TransientError
from airflow_provider_a360.api.settings import Settings
from airflow_provider_a360.sandbox import example

NAME = "a360.example.com"


class Relay(BaseHTTPRequestHandler):
    """Forwards requests to a sandbox, as a forward proxy, a tunnel, or the host itself."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        path = self.path if self.path.startswith("/") else "/" + self.path.split("/", 3)[3]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
        request = urllib.request.Request(self.server.sandbox.url + path, body, headers, method=self.command)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            content = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def do_CONNECT(self):
        """Connect to this machine, whatever the host's name."""
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as there:
            self.send_response(200)
            self.end_headers()
            here = self.connection
            while True:
                for ready in select.select([here, there], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    (there if ready is here else here).sendall(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def relay(sandbox, tmp_path):
    """Starts relays to the sandbox; with `tls`, with a self-signed certificate."""
    with ExitStack() as stack:

        def start(*, tls=False, address="127.0.0.1"):
            kind = type("Server", (ThreadingHTTPServer,), {"address_family": socket.getaddrinfo(address, 0)[0][0]})
            server = stack.enter_context(kind((address, 0), Relay))
            server.daemon_threads, server.block_on_close = True, False
            server.sandbox, server.seen = sandbox, []
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate(tmp_path))
                server.socket = context.wrap_socket(server.socket, server_side=True)
            host = f"[{address}]" if ":" in address else address
            server.url = f"http{'s' * tls}://{host}:{server.server_address[1]}"
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(server.shutdown)
            return server

        yield start


def certificate(folder):
    """A self-signed certificate for 127.0.0.1 and for a name that only a proxy resolves, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a360 test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(NAME)]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def behind_proxy(sandbox, relay, monkeypatch, tmp_path):
    """A proxy, and the URL of a host with a certificate that can only be reached through it."""
    proxy, host = relay(), relay(tls=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    return proxy, host.url.replace("127.0.0.1", NAME)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used_with_its_password(sandbox, behind_proxy, monkeypatch, variable):
    proxy, url = behind_proxy
    monkeypatch.setenv(variable, proxy.url.replace("//", "//proxyuser:proxysecret@"))
    assert list(connect(sandbox, base_url=url).flows())
    assert all(headers["Proxy-Authorization"].startswith("Basic ") for *_, headers in proxy.seen)


def test_https_through_a_proxy_is_an_encrypted_tunnel(sandbox, behind_proxy, monkeypatch):
    proxy, url = behind_proxy
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    assert list(connect(sandbox, base_url=url).flows())
    assert {command for command, *_ in proxy.seen} == {"CONNECT"}
    assert all("Authorization" not in headers for *_, headers in proxy.seen)


def test_no_proxy_is_honoured(sandbox, behind_proxy, monkeypatch):
    """Without the proxy, the name can't be resolved."""
    proxy, url = behind_proxy
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", NAME)
    with pytest.raises(A360TransientError, match="no response"):
        connect(sandbox, base_url=url, deadline=0.1).flows()
    assert proxy.seen == []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_requests_to_this_machine_use_no_proxy(sandbox, relay, monkeypatch, variable, host):
    """A proxy could read the secret, because http is allowed for this machine."""
    proxy = relay()
    monkeypatch.setenv(variable, proxy.url)
    monkeypatch.setenv("NO_PROXY", "elsewhere.example.com")
    here = relay(address="::1") if host == "[::1]" else sandbox
    port = here.url.rpartition(":")[2]
    assert list(connect(sandbox, base_url=f"http://{host}:{port}").flows())
    assert proxy.seen == []


def test_https_requests_to_this_machine_use_no_tunnel(sandbox, relay, monkeypatch, tmp_path):
    proxy, host = relay(), relay(tls=True)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    assert list(connect(sandbox, base_url=host.url).flows())
    assert proxy.seen == []


def test_an_untrusted_certificate_is_refused_without_retries(sandbox, relay):
    host = relay(tls=True)
    with pytest.raises(A360ConfigError, match="REQUESTS_CA_BUNDLE"):
        connect(sandbox, base_url=host.url).flows()
    assert asked(sandbox, "/") == []


def test_a_missing_ca_bundle_is_an_error_before_any_request(sandbox, relay, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(A360ConfigError, match=r"/nowhere/bundle\.pem"):
        connect(sandbox, base_url=relay(tls=True).url)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://",
        "://",
        "http://hush-hush@",
        "http://user:hush-hush@proxy.example.com:port",
        "http://proxy.example.com:99999",
        "http://[proxy.example.com",
        "http://[::1:3128",
        "http:proxy",
        "pro xy",
        "http://pro xy:3128",
        "ftp://proxy.example.com",
        "socks5://proxy.example.com:1080",
        "/etc/proxy",
        "?",
        "http://%zz:3128",
        "http://" + "a" * 70 + ":3128",
        "http://a..b:3128",
        "http://\u202eproxy:3128",
        "None",
    ],
)
def test_an_invalid_proxy_url_is_a_config_error(sandbox, monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    with pytest.raises((A360ConfigError, A360TransientError)) as caught:
        connect(sandbox, base_url=f"https://{NAME}", deadline=0.05).flows()
    assert "hush" not in str(caught.value)
    if isinstance(caught.value, A360ConfigError):
        assert "HTTPS_PROXY" in str(caught.value)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_an_invalid_proxy_url_is_an_error_before_any_request(sandbox, monkeypatch, variable):
    monkeypatch.setenv(variable, "http://")
    with pytest.raises(A360ConfigError, match=variable):
        connect(sandbox, base_url=f"https://{NAME}")


def test_a_netrc_file_is_not_used(sandbox, relay, monkeypatch, tmp_path):
    """Neither for the token request nor for others."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\ndefault login any password one\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    host = relay()
    assert list(connect(sandbox, base_url=host.url).flows())
    shown = {path.partition("?")[0]: headers.get("Authorization", "none") for _, path, headers in host.seen}
    assert shown.pop(TOKEN_PATH) == "none"
    assert shown
    assert all(authorization.startswith("Bearer ") for authorization in shown.values())


def test_threads_share_a_pool_of_connections(sandbox):
    client = connect(sandbox, max_in_flight=4)
    sandbox.options.latency = 0.05
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: client.flow(example.EMPTY_FLOW), range(16)))
    request = requests.Request("GET", sandbox.url).prepare()
    pool = client.session.get_adapter(sandbox.url).get_connection_with_tls_context(request, verify=True)
    assert (pool.num_connections, pool.num_requests) == (4, 17)


def test_cookies_are_not_kept(sandbox):
    client = connect(sandbox)
    cookie = {"Set-Cookie": "visit=1; Path=/"}
    sandbox.answer_next("/a360", body={"autoresponder": {"id": 1}}, headers=cookie)
    client.flow(1)
    assert not client.session.cookies


class ReadsBodies(requests.adapters.HTTPAdapter):
    """An adapter that reads each body, to log or measure it."""

    def send(self, *args, **kwargs):
        response = super().send(*args, **kwargs)
        assert response.content
        return response


class GivesFiles(requests.adapters.HTTPAdapter):
    """An adapter whose bodies are plain files."""

    def send(self, *args, **kwargs):
        response = super().send(*args, **kwargs)
        response.raw = io.BytesIO(response.raw.read(decode_content=True))
        return response


@pytest.mark.parametrize("adapter", [ReadsBodies, GivesFiles])
def test_a_users_adapter_may_read_or_replace_the_body(sandbox, adapter):
    client = connect(sandbox)
    client.session.mount("http://", adapter())
    assert client.flow(example.EMPTY_FLOW).starts == 0


def test_the_body_of_a_redirect_cannot_delay_a_call_beyond_its_deadline(raw_server):
    def handle(_, connection):
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 1200\r\n\r\n")
        for _ in range(1200):
            connection.sendall(b" ")
            threading.Event().wait(0.05)

    url, numbers = raw_server(handle)
    with pytest.raises(A360TransientError, match="the response took too long"):
        connect_by_key(url, deadline=0.3, read_timeout=0.3).flow(7)
    assert numbers == [1]


@pytest.mark.parametrize("location", ["http://[", "mailto:a@example.com", "", "\u00e9"])
def test_a_redirect_with_an_invalid_location_is_an_error_with_its_status(sandbox, location):
    sandbox.answer_next("/a360", status=302, headers={"Location": location})
    with pytest.raises(A360RequestError, match="302"):
        connect(sandbox).flow(7)


@pytest.mark.parametrize("key", ["sp_apikey_one\nsp_apikey_two", "sp_apikey_\u0430bc", "sp_apikey \u2026"])
def test_a_key_with_characters_that_no_header_allows_is_a_config_error(key):
    with pytest.raises(A360ConfigError) as caught:
        connect_by_key("http://127.0.0.1:9", deadline=0.2, secret=key).flow(7)
    assert "apikey" not in str(caught.value)


class SlowHeaders(BaseHTTPRequestHandler):
    """Sends the end of the headers late, and then the body at once or after a pause."""

    def do_GET(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        time.sleep(0.8)
        self.wfile.write(b"Content-Length: 12\r\n\r\n")
        self.wfile.flush()
        time.sleep(0.5)
        self.wfile.write(b'{"data": []}')

    def log_message(self, *_):
        pass


def test_slow_headers_do_not_shorten_the_time_for_the_body():
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowHeaders) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(
            secret="sp_apikey_made_up", base_url=f"http://127.0.0.1:{server.server_port}", read_timeout=1.0
        )
        assert list(A360Client(settings, deadline=0.1).flows()) == []
        server.shutdown()


def test_no_error_keeps_the_request_with_its_secrets():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        client = A360Client(Settings(secret="sp_apikey_made_up", base_url=url), deadline=0.1)
        with pytest.raises(A360TransientError) as caught:
            client.delete_event_logs(email="ann@example.com")
    error = caught.value
    while error is not None:
        assert not hasattr(error, "request")
        error = error.__context__ or error.__cause__
