"""Firefox, told what to do by Marionette, the protocol that geckodriver speaks with it.

Firefox listens for it itself, so that tests need nothing besides Debian's `firefox-esr`. Playwright
cannot do this: it asks for an emulation that Firefox 153 does not know.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("firefox-esr", "firefox")
_PREFERENCES = 'user_pref("marionette.port", 0);\n'  # one that is free
_PORT_FILE = "MarionetteActivePort"
_TIMEOUT_S = 60  # no test waits for less: a busy machine is no fault
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's name for a reference to one


def program() -> str | None:
    """Firefox, if it is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Firefox:
    """A window of Firefox."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_S)
        self._stream = self._socket.makefile("rb")
        self._count = 0
        self._read()  # which protocol it speaks
        self.do("WebDriver:NewSession")

    def do(self, command: str, **values: Any) -> Any:
        """Give a command, and return its result."""
        self._count += 1
        message = json.dumps([0, self._count, command, values]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def go(self, url: str) -> None:
        """Open a page."""
        self.do("WebDriver:Navigate", url=url)

    def choose(self, selector: str, file: Path) -> None:
        """Choose a file in a file input."""
        found = self.do("WebDriver:FindElement", using="css selector", value=selector)
        self.do("WebDriver:ElementSendKeys", id=found["value"][_ELEMENT], text=str(file))

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        result = self.do("WebDriver:ExecuteScript", script=f"return {expression};", args=[])
        return result["value"]

    def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + _TIMEOUT_S
        while not self.evaluate(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.05)

    def close(self) -> None:
        """Let go of it; it goes on running."""
        self._stream.close()
        self._socket.close()

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            part = self._stream.read(1)
            assert part, "Firefox has closed the connection."
            length += part
        return json.loads(self._stream.read(int(length[:-1])))


@contextmanager
def running(name: str, profile: Path) -> Iterator[Firefox]:
    """Start Firefox with an empty profile, without a window that could be seen, and end it."""
    (profile / "user.js").write_text(_PREFERENCES)
    command = [name, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    # as root, it starts in no other user's home
    environment = os.environ | {"HOME": str(profile)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            window = Firefox(_port(profile / _PORT_FILE, process))
            yield window
            window.close()
        finally:
            process.terminate()


def _port(file: Path, process: "subprocess.Popen[bytes]") -> int:
    end = time.monotonic() + _TIMEOUT_S
    while not (file.exists() and file.read_text()):
        assert process.poll() is None, "Firefox has ended."
        assert time.monotonic() < end, "Firefox does not start."
        time.sleep(0.05)
    return int(file.read_text())
