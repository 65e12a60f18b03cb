"""Runs the page's application with uvicorn, and opens it in the browser."""

import contextlib
import socket
import threading
import webbrowser
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from cropperhead.errors import SetupError, disk_problem

LOOPBACK = "127.0.0.1"
# Tried first, so that the browser keeps what it has stored for this address; else any free one
USUAL_PORT = 8573
_IDLE_S, _LEAVE_S = 5, 3  # a connection without requests; requests that go on when it ends
HEAD_S = 10.0  # between two checks, in which the head of a connection's next request has to end
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
            opened = socket.create_server((address.host, port), family=family)
        except OSError as error:
            problem = error
            continue
        # Else the end of an answer waits up to 40 ms for the browser to confirm its beginning
        # (Nagle's algorithm). asyncio leaves the algorithm on for sockets that are opened here
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
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
    server = _Server(make_config(app), shown)
    with contextlib.closing(opened):
        server.run(sockets=[opened])


def make_config(app: FastAPI) -> uvicorn.Config:
    """Say how uvicorn is to serve the page's application."""
    return uvicorn.Config(
        app,
        http=_Connection,
        log_level="warning",
        access_log=False,  # addresses hold tokens
        server_header=False,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_LEAVE_S,
        limit_concurrency=_MOST_CONNECTIONS,
    )


class _Connection(H11Protocol):
    """Closes a connection that waits for a request's head at two checks in a row, `HEAD_S` apart.

    So the first head has `HEAD_S` to arrive, and one after an answer once to twice as long. Bodies
    have limits of their own (`requests`). uvicorn would wait for ever, and refuse everybody once
    enough connections wait. h11 limits a head's size; httptools, which uvicorn prefers where it is
    installed, does not. `cycle` is no part of uvicorn's documented interface: a test sends requests
    through it.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._before = self._state()
        self._timer = self.loop.call_later(HEAD_S, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def _state(self) -> tuple[bool, object]:
        """Whether it waits for a request, and which was the last."""
        last: RequestResponseCycle | None = self.cycle
        return last is None or last.response_complete, last

    def _check(self) -> None:
        now = self._state()
        if now[0] and now == self._before:
            self.transport.close()
            return
        self._before = now
        self._timer = self.loop.call_later(HEAD_S, self._check)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, shown: str | None) -> None:
        super().__init__(config)
        self._shown = shown

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._shown is not None:
            # a browser may take seconds to start
            threading.Thread(target=webbrowser.open, args=[self._shown], daemon=True).start()
