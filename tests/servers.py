"""Servers that tests start for themselves: PostgreSQL and an object store that speaks S3."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import uvicorn

from cropperhead.web.server import make_config

_POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_START_S = 180  # MLflow's server takes a minute on a busy machine
_HELD: list[socket.socket] = []  # until the process ends
BUCKET = "crops"
PAGE = 100  # objects that a store lists at a time; Amazon's lists 1,000
# moto's S3 server, which writes a line for each request: its method, path with query, status, and
# the bytes of the bodies that came in and went out
_MOTO = """
import json, os, sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

moto = DomainDispatcherApplication(create_backend_app)
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)

def counted(environ, start_response):
    status = []
    def start(line, headers, *rest):
        status.append(int(line[:3]))
        return start_response(line, headers, *rest)
    answer = b"".join(moto(environ, start))
    path = environ["PATH_INFO"] + "?" + environ["QUERY_STRING"]
    came = int(environ.get("CONTENT_LENGTH") or 0)
    sent = 0 if environ["REQUEST_METHOD"] == "HEAD" else len(answer)
    line = json.dumps([environ["REQUEST_METHOD"], path, *status, came, sent])
    os.write(log, line.encode() + b"\\n")  # at once: other threads write, too
    return [answer]

run_simple("127.0.0.1", int(sys.argv[1]), counted, threaded=True)
"""


def free_port() -> int:
    """A port for a server that is started later, which no other program is given meanwhile."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port: int = held.getsockname()[1]
    if sys.platform == "linux":  # elsewhere nobody could listen there beside the socket
        _HELD.append(held)
    else:
        held.close()
    return port


def wait_for(is_ready, process=None) -> None:
    deadline = time.monotonic() + _START_S
    while not is_ready():
        assert process is None or process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it does not start"
        time.sleep(0.05)


@contextmanager
def serving(app):
    """A client of an application that runs on a port of the loopback, in a thread."""
    server = uvicorn.Server(make_config(app))
    with socket.create_server(("127.0.0.1", 0)) as port:
        thread = threading.Thread(target=server.run, args=[[port]])
        thread.start()
        wait_for(lambda: server.started)
        address = f"http://127.0.0.1:{port.getsockname()[1]}"
        try:
            with httpx.Client(base_url=address, timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


class Postgresql:
    """A server with a data folder of its own, on a port of the loopback."""

    def __init__(self, folder: Path) -> None:
        self._bin = _POSTGRESQL[-1].parent
        self.folder, self.port = folder, free_port()
        # It refuses to run as root, as which containers run tests
        self._as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if os.geteuid():
            self._as_user = []
        else:
            os.chown(folder, 65534, 65534)
        self._run("initdb", "-D", "data", "-U", "crops", "-A", "trust", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "crops", "crops")

    @property
    def url(self) -> str:
        return f"postgresql://crops@127.0.0.1:{self.port}/crops"

    def start(self) -> None:
        # Nothing here loses its power: what was written outlives a killed server without fsync
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        settings += " -c unix_socket_directories=''"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", settings, "start")

    def make_databases(self, script: Path) -> None:
        """Run a script that makes databases, in place of the one that is there."""
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "crops"]
        self._run("dropdb", "--force", *address, "crops")  # whoever has just left may still count
        self._run("psql", "-q", *address, "-d", "postgres", "-f", str(script))

    def empty(self) -> None:
        for command in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            self._run("psql", "-q", "-c", command, self.url)

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._bin / program), *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()


@contextmanager
def postgresql():
    """A running server, or a skipped test where PostgreSQL is not installed."""
    if not _POSTGRESQL or (not os.geteuid() and not shutil.which("setpriv")):
        pytest.skip("PostgreSQL's server is not installed")
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    server = Postgresql(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


class StoreRequest(NamedTuple):
    """A request that a store has answered, and the bytes of its body and of the answer's."""

    method: str
    path: str
    status: int
    received: int
    sent: int


class ObjectStore:
    """moto's S3 server in a process of its own, with one bucket; it lists a page at a time."""

    def __init__(self, page: int = PAGE) -> None:
        self.port = free_port()
        self._log = tempfile.NamedTemporaryFile("r", encoding="utf-8")  # noqa: SIM115
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MOTO, str(self.port), self._log.name],
            env=os.environ | {"MOTO_S3_DEFAULT_MAX_KEYS": str(page)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._has_bucket, self._process)

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/photos"

    def _has_bucket(self) -> bool:
        address = f"{self.environment['AWS_ENDPOINT_URL']}/{BUCKET}"
        try:
            request = urllib.request.Request(address, method="PUT")
            return urllib.request.urlopen(request, timeout=5).status == 200
        except OSError:
            return False

    def requests(self) -> list[StoreRequest]:
        """The requests since this was called last."""
        return [StoreRequest(*json.loads(line)) for line in self._log]

    @cached_property
    def client(self):
        """boto3's client, for what the project itself never does."""
        import boto3  # noqa: PLC0415

        keys = [self.environment[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
        return boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
        )

    def pause(self) -> None:
        """Stop answering, as a store that cannot be reached."""
        self._process.send_signal(19)

    def go_on(self) -> None:
        self._process.send_signal(18)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


@contextmanager
def object_store():
    pytest.importorskip("moto")
    store = ObjectStore()
    try:
        yield store
    finally:
        store.stop()
