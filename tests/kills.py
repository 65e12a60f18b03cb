"""Clients that send and withdraw crops while the server, its store and its database come and go."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import httpx
from sent_photos import fields, jpeg
from servers import free_port, wait_for

from cropperhead.collection.settings import open_collection

# The server without a model, which a collection does not need. What takes long is imported once, by
# a process that starts a server, prints its number, and starts another one when that is killed
_SERVE = """
import os
import signal
import sys
from cropperhead.collection.settings import load_settings
from cropperhead.web import app, server, service
while True:
    process = os.fork()
    if not process:
        routers = service.collection_routers(load_settings({"place": sys.argv[1]}), is_local=True)
        application = app.create_app(app.PageSettings(routers=routers))
        server.run(application, server.listen(server.Address(port=int(sys.argv[2]))), None)
        sys.exit()
    print(process, flush=True)
    status = os.waitpid(process, 0)[1]
    if status != signal.SIGKILL:
        sys.exit(status != signal.SIGTERM)  # by which uvicorn ends once it has closed everything
"""
_UNLIMITED = {
    "CROPPERHEAD_COLLECTION_PER_ADDRESS_HOURLY": "1000000000",
    "CROPPERHEAD_COLLECTION_TOTAL_HOURLY": "1000000000",
    "CROPPERHEAD_COLLECTION_MIN_FREE_GIGABYTES": "0",
    "CROPPERHEAD_COLLECTION_SWEEP_MINUTES": "0.005",
}
_CLIENTS = 4


class Server:
    """The service in a process of its own."""

    def __init__(self, place, environment):
        self.port = free_port()
        self._command = [sys.executable, "-c", _SERVE, place, str(self.port)]
        self._environment = {**os.environ, **_UNLIMITED, **environment}
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def _wait(self):
        self._number = int(self._process.stdout.readline())
        wait_for(self._answers, self._process)

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def kill(self):
        """Kill the server, and wait until another one answers."""
        os.kill(self._number, signal.SIGKILL)
        self._wait()

    def terminate(self):
        """End the server as systemd does; return its exit status."""
        os.kill(self._number, signal.SIGTERM)
        return self._process.wait(60)

    def stop(self):
        """End everything at once."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
            os.kill(self._number, signal.SIGKILL)
        self._process.stdout.close()


@dataclass
class People:
    """Four clients at once; what they were told."""

    port: int
    acknowledged: set = field(default_factory=set)
    withdrawn: set = field(default_factory=set)
    answers: dict = field(default_factory=dict)

    def __post_init__(self):
        self._is_over, self._lock = threading.Event(), threading.Lock()
        # Several people send the same photos, so that withdrawing and sending one meet
        self._photos = [jpeg(seed=seed) for seed in range(12)]
        self._threads = [
            threading.Thread(target=self._use, args=[seed]) for seed in range(_CLIENTS)
        ]
        self._errors = []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        assert self._errors == []

    def wait_for_answers(self, count, status=201):
        """Wait until so many more requests had this answer."""
        before = self.answers.get(status, 0)
        wait_for(lambda: self._errors or self.answers.get(status, 0) >= before + count)

    def _use(self, seed):
        rng, mine = random.Random(seed), []
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60) as client:
                while not self._is_over.is_set():
                    if mine and rng.random() < 0.4:
                        self._withdraw(client, mine.pop(rng.randrange(len(mine))))
                    else:
                        mine.append(self._send(client, rng))
        except Exception as error:
            self._errors.append(error)

    def _send(self, client, rng):
        values = fields(receipt=f"{rng.getrandbits(128):032x}")
        files = {"photo": rng.choice(self._photos)}
        data = {"crop": json.dumps(values)}
        self._until_told(client, "/collect/crops", {200, 201}, files=files, data=data)
        with self._lock:
            self.acknowledged.add(values["id"])
        return values

    def _withdraw(self, client, values):
        body = {name: values[name] for name in ("id", "receipt")}
        self._until_told(client, "/collect/withdrawals", {200}, json=body)
        with self._lock:
            self.withdrawn.add(values["id"])

    def _until_told(self, client, path, wanted, **body):
        """Send again until the server says that it is done, as the page does."""
        while True:
            try:
                status = client.post(path, **body).status_code
            except httpx.HTTPError:
                status = 0
            with self._lock:
                self.answers[status] = self.answers.get(status, 0) + 1
            if status in wanted:
                return
            assert status in {0, 503}, status
            time.sleep(0.02)


def check(place, people):
    """Assert what always holds once everybody was told; return how many orphans were left."""
    opened = open_collection(place)
    try:
        rows = [row["id"] for row in opened.list_crops()]
        assert len(rows) == len(set(rows))
        assert set(rows) == people.acknowledged - people.withdrawn
        assert opened.missing_objects() == []
        orphans = opened.sweep(0)
        assert len(list(opened.objects.names(0))) == opened.counts().photos
        return orphans
    finally:
        opened.database.close()
