"""Chunks of work on a Ray cluster: the results of `worker_pool`, from many machines.

The only module that imports Ray (https://docs.ray.io). Each of Ray's workers keeps a process of
`worker_pool` for what may crash or hang, so that such a file is found in the same way, and named in
the same words, as on one machine. Ray itself only loses what is in work on a machine that dies.
"""

import importlib.metadata
import logging
import os
import pickle
import platform
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic

from cropperhead.errors import CropperheadError, RejectedFile, SetupError
from cropperhead.system.worker_pool import TIME_LIMIT_S, Item, OnDemand, Result, worker_count

_CHUNKS_PER_CPU = 2  # one in work, and one that waits so that no worker does
_TRIES_ALONE = 2  # of an item whose chunk was lost, each of which a dying machine may cost
LOOPBACK = "127.0.0.1"
_CONNECT_S = 10
_DECIDING = ("cropperhead", "numpy", "pillow", "rawpy")  # packages whose version may change results


def map_chunks(
    work: Callable[[Sequence[Item]], list[Result]],
    chunks: Iterable[Sequence[Item]],
    address: str,
    workers: int,
    failed: Callable[[Item, RejectedFile], Result],
    limit_s: float = TIME_LIMIT_S,
) -> Iterator[list[Result]]:
    """Yield `work(chunk)` for each chunk, in order, from the cluster at `address`.

    `address` is what `ray.init` accepts: "auto" or host:port, of a cluster to which this machine
    belongs; for "" Ray is started on this machine, with `workers` processes as `worker_count`
    understands them, and reached from no other. `work`, `failed` and the items have to be picklable
    by name; files that they name must be seen by all machines under the same path.

    What was in work on a machine that dies is done again, one by one. For an item that fails alone,
    too, `failed(item, error)` is the result, with the kinds of `worker_pool.map_chunks`. An error
    raised by `work` is raised here. Raises SetupError if Ray is not installed, no cluster answers,
    or one of its machines has other versions of what decides about results.

    At most two chunks for each of the cluster's processors are in work or wait to be yielded.
    """
    pending: deque[tuple[Sequence[Item], Any]] = deque()
    with _connection(address, workers) as ray:
        cluster = _Cluster(ray, work, failed, limit_s)
        try:
            for chunk in chunks:
                pending.append((chunk, cluster.submit(chunk)))
                if len(pending) >= _CHUNKS_PER_CPU * cluster.processors():
                    yield cluster.result(*pending.popleft())
            while pending:
                yield cluster.result(*pending.popleft())
        finally:  # Ctrl-C, or nobody wants more
            for _, promise in pending:
                ray.cancel(promise, force=True)


class _Lost(Exception):
    """What was in work when its worker or machine went away, or its result with them."""


class _Cluster(Generic[Item, Result]):
    """Ray, where it is connected, and what it is to do; the arguments are those of `map_chunks`."""

    def __init__(
        self,
        ray: Any,
        work: Callable[[Sequence[Item]], list[Result]],
        failed: Callable[[Item, RejectedFile], Result],
        limit_s: float,
    ) -> None:
        self._ray, self._failed = ray, failed
        self._plan = pickle.dumps((work, failed, limit_s, _versions(), Path.cwd()))
        # A task that Ray repeated by itself would meet a file that kills machines again and again
        self._task = ray.remote(num_cpus=1, max_retries=0)(_do_protected)

    def processors(self) -> int:
        """The number of processors now; machines come and go."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, chunk: Sequence[Item]) -> Any:
        """Queue a chunk; gives Ray's promise of its results."""
        return self._task.remote(self._plan, chunk)

    def result(self, chunk: Sequence[Item], promise: Any) -> list[Result]:
        """The results of a chunk; if it was lost, those of its items, each done by itself."""
        try:
            return self._get(promise)
        except _Lost:
            alone = [(item, self.submit([item])) for item in chunk]
        return [self._attempt(item, promise) for item, promise in alone]

    def _attempt(self, item: Item, promise: Any) -> Result:
        for left in reversed(range(_TRIES_ALONE)):
            try:
                return self._get(promise)[0]
            except _Lost:
                promise = self.submit([item]) if left else None
        message = f"the machines that read it went away, {1 + _TRIES_ALONE} times"
        return self._failed(item, RejectedFile("crash", message))

    def _get(self, promise: Any) -> list[Result]:
        kinds = self._ray.exceptions
        try:
            results: list[Result] = self._ray.get(promise)
        except kinds.RayTaskError as error:
            if isinstance(error.cause, CropperheadError):
                raise error.cause from None
            raise
        except (
            kinds.WorkerCrashedError,
            kinds.NodeDiedError,
            kinds.ObjectLostError,
            kinds.OutOfMemoryError,
        ) as error:
            raise _Lost from error
        return results


@contextmanager
def _connection(address: str, workers: int) -> Iterator[Any]:
    """Ray, connected to a cluster; one that was connected before stays so."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    # What Ray itself will do in its next release, of which it warns
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray  # noqa: PLC0415 - takes a second, and is installed only on clusters
    except ModuleNotFoundError as error:
        raise SetupError(
            "The engine ray needs Ray, which is not installed. Install cropperhead[cluster] on "
            "every machine of the cluster, or set extract.engine to local."
        ) from error
    if ray.is_initialized():
        yield ray
        return
    with _kept_handler(signal.SIGTERM):  # which `ray.init` replaces
        _connect(ray, address, workers)
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str, workers: int) -> None:
    quiet: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    host, _, port = address.rpartition(":")
    if not address or host == LOOPBACK:
        stay_on_loopback()
        quiet["_node_ip_address"] = LOOPBACK
    if not address:
        ray.init("local", num_cpus=worker_count(workers), include_dashboard=False, **quiet)
        _keep_output_clean()
        return
    if port.isdecimal() and "://" not in address:
        _require_answer(host.strip("[]"), int(port))
    try:
        ray.init(address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SetupError(_no_cluster(address, reason)) from error
    _keep_output_clean()


def _keep_output_clean() -> None:
    """Keep Ray from telling on standard output of machines that die: it belongs to results.

    `log_to_driver` does not (2.60). What was lost with such a machine is done again, or named.
    """
    from ray._private import worker  # noqa: PLC0415

    worker._worker_logs_enabled = False


def stay_on_loopback() -> None:
    """Let Ray, in this process, take LOOPBACK for an address as any other.

    On Linux it replaces it by the machine's address in the network, at which it then listens.
    """
    from ray._private import ray_constants  # noqa: PLC0415

    ray_constants.ENABLE_RAY_CLUSTER = False  # "across machines": as on macOS


def _require_answer(host: str, port: int) -> None:
    """Raises SetupError if nothing listens there: Ray itself would wait for minutes."""
    try:
        socket.create_connection((host, port), _CONNECT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(_no_cluster(f"{host}:{port}", reason)) from error


def _no_cluster(address: str, reason: str) -> str:
    return (
        f"No Ray cluster answers at {address}: {reason}. Start its first node with `ray start "
        "--head` and this machine's with `ray start --address HOST:PORT`, or correct the address."
    )


@contextmanager
def _kept_handler(number: int) -> Iterator[None]:
    handler = signal.getsignal(number)
    yield
    with suppress(ValueError):  # outside the main thread, where Ray replaces none
        signal.signal(number, handler)


def _versions() -> dict[str, str]:
    return {"Python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in _DECIDING
    }


def _do_protected(plan: bytes, chunk: Sequence[Any]) -> list[Any]:
    """Do a chunk of work in a process of this worker of Ray's, which outlives what crashes it."""
    return _protected(plan).get_chunk(chunk)


@lru_cache(maxsize=1)
def _protected(plan: bytes) -> OnDemand[Any, Any]:
    """The process that does the work. Raises SetupError if this machine has other versions."""
    work, failed, limit_s, versions, folder = pickle.loads(plan)
    own = _versions()
    for name, version in versions.items():
        if own[name] != version:
            raise SetupError(
                f"{platform.node()}: it has {name} {own[name]} where this machine has {version}. "
                "Install the same versions on all machines of the cluster."
            )
    with suppress(OSError):  # another machine may not have it, nor anything that is relative to it
        os.chdir(folder)
    return OnDemand(work, 1, failed, limit_s)
