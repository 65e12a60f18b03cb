"""Runs the page's application with uvicorn, and opens it in the browser."""

import contextlib
import socket
import threading
import webbrowser
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from cropperhead.errors import SetupError, disk_problem

LOOPBACK = "127.0.0.1"
# Tried first, so that the browser keeps what it has stored for this address; else any free one
USUAL_PORT = 8573
_IDLE_S, _LEAVE_S = 5, 3  # a connection without requests; requests that go on when it ends
_MOST_CONNECTIONS = 200


@dataclass(frozen=True)
class Address:
    """Where to listen. `port` 0 stands for the usual one, or any free one where that is taken."""

    host: str = LOOPBACK
    port: int = 0


def listen(address: Address) -> socket.socket:
    """Open the port. Raises SetupError where that is not possible."""
    ports = [address.port] if address.port else [USUAL_PORT, 0]
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    for port in ports:
        try:
            return socket.create_server((address.host, port), family=family)
        except OSError as error:
            problem = error
    raise SetupError(
        f"{address.host}:{address.port}: cannot listen there: {disk_problem(problem)}. Choose "
        "another port with --port."
    )


def url(opened: socket.socket, path: str = "/") -> str:
    """The address of a page on an open port."""
    host, port = opened.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}{path}"


def run(app: FastAPI, opened: socket.socket, shown: str | None) -> None:
    """Serve until Ctrl-C, and open the address `shown` in the browser once the server answers."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses hold tokens
        server_header=False,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_LEAVE_S,
        limit_concurrency=_MOST_CONNECTIONS,
    )
    server = _Server(config, shown)
    with contextlib.closing(opened):
        server.run(sockets=[opened])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, shown: str | None) -> None:
        super().__init__(config)
        self._shown = shown

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._shown is not None:
            # a browser may take seconds to start
            threading.Thread(target=webbrowser.open, args=[self._shown], daemon=True).start()
