"""A real Ray cluster for tests: a head and further nodes, all on this machine's loopback."""

import importlib.util
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

# Where Ray has to be there, as in CI, its absence fails the tests
REQUIRED = "CROPPERHEAD_CLUSTER"
START_S = 120  # for nodes to be there: a busy machine is no fault
_STORE_BYTES = 80_000_000  # about the least that Ray accepts


@contextmanager
def ray_cluster(nodes):
    """A cluster with a head and so many further nodes, of one processor each."""
    if importlib.util.find_spec("ray") is None:
        if os.environ.get(REQUIRED):
            pytest.fail("Ray is not installed, and is required here.")
        pytest.skip("Ray is not installed: `pip install 'cropperhead[cluster]'` lets this run.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray's workers import what tests pass to them
        path = os.environ.get("PYTHONPATH", "")
        patch.setenv(
            "PYTHONPATH", os.pathsep.join(filter(None, [str(Path(__file__).parent), path]))
        )
        from ray.cluster_utils import Cluster  # noqa: PLC0415

        from cropperhead.system.cluster import LOOPBACK, stay_on_loopback  # noqa: PLC0415

        stay_on_loopback()
        node = {"num_cpus": 1, "node_ip_address": LOOPBACK, "object_store_memory": _STORE_BYTES}
        node |= {"include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=node)
        try:
            for _ in range(nodes):
                cluster.add_node(wait=False, **node)
            cluster.wait_for_nodes(START_S)
            yield cluster
        finally:
            cluster.shutdown()
