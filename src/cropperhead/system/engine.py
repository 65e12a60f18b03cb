"""Where chunks of work are done: in processes of this machine, or on a Ray cluster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cropperhead.errors import RejectedFile
from cropperhead.system import cluster, worker_pool
from cropperhead.system.worker_pool import Item, Result

ENGINES = LOCAL, RAY = "local", "ray"


@dataclass(frozen=True)
class Engine:
    """LOCAL with a number of processes, or RAY with an address, as `cluster.map_chunks` has it.

    The number, as `worker_pool.worker_count` understands it, is also that of a Ray without address.
    """

    name: str = LOCAL
    workers: int = 0
    address: str = ""

    def map_chunks(
        self,
        work: Callable[[Sequence[Item]], list[Result]],
        chunks: Iterable[Sequence[Item]],
        failed: Callable[[Item, RejectedFile], Result],
        limit_s: float = worker_pool.TIME_LIMIT_S,
        imports: Sequence[str] = (),
    ) -> Iterator[list[Result]]:
        """Yield `work(chunk)` for each chunk, in order; the same wherever it is done.

        For an item that crashes its process or does not finish, `failed(item, error)` is the
        result; `imports` is as `worker_pool.map_chunks` has it. Raises as that and
        `cluster.map_chunks` do.
        """
        if self.name == RAY:
            return cluster.map_chunks(work, chunks, self.address, self.workers, failed, limit_s)
        number = worker_pool.worker_count(self.workers)
        return worker_pool.map_chunks(work, chunks, number, failed, limit_s, imports)
