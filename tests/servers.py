"""Servers that tests start for themselves: PostgreSQL and an object store that speaks S3."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

_POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_START_S = 60
BUCKET = "crops"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(is_ready, process=None) -> None:
    deadline = time.monotonic() + _START_S
    while not is_ready():
        assert process is None or process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it does not start"
        time.sleep(0.05)


@contextmanager
def serving(app):
    """A client of an application that runs on a port of the loopback, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=3))
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
        self._run("dropdb", *address, "crops")
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


class ObjectStore:
    """moto's S3 server in a process of its own, with one bucket."""

    def __init__(self) -> None:
        self.port = free_port()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from moto.server import main; main()", "-p", str(self.port)],
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

    def pause(self) -> None:
        """Stop answering, as a store that cannot be reached."""
        self._process.send_signal(19)

    def go_on(self) -> None:
        self._process.send_signal(18)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def object_store():
    pytest.importorskip("moto")
    store = ObjectStore()
    try:
        yield store
    finally:
        store.stop()
