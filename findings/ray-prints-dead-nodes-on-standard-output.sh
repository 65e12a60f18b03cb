#!/usr/bin/env bash
# Ray prints messages about dead nodes on the standard output of the program that uses it.
#
# Expected: with log_to_driver=False and a logging level of CRITICAL, what a program prints is its own, so that
# its standard output can be JSON that another program reads; events go to standard error or to Ray's log files.
# Seen: when a node dies, Ray prints paragraphs about it, with lines of that node's log, on the driver's
# standard output, in colours, before and between the program's own lines. Both settings leave them there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check ray==2.60.0 2>/dev/null
cat >driver.py <<'PYTHON'
import json
import logging
import time

import ray
from ray.cluster_utils import Cluster

node = {"num_cpus": 1, "object_store_memory": 80_000_000}
cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
second = cluster.add_node(**node)
cluster.wait_for_nodes()
ray.init(cluster.address, logging_level=logging.CRITICAL, log_to_driver=False)
cluster.remove_node(second, allow_graceful=False)
give_up = time.monotonic() + 60
while sum(each["Alive"] for each in ray.nodes()) > 1 and time.monotonic() < give_up:
    time.sleep(0.5)
time.sleep(5)  # the news of it takes another way
print(json.dumps({"squares": [1, 4, 9]}))
ray.shutdown()
cluster.shutdown()
PYTHON
RAY_USAGE_STATS_ENABLED=0 env/bin/python driver.py >output.txt 2>errors.txt
env/bin/python - <<'PYTHON'
import importlib.metadata
import re
from pathlib import Path

lines = [re.sub(r"\x1b\[\d*m", "", line) for line in Path("output.txt").read_text().splitlines()]
events = [line for line in lines if line.startswith("(raylet)")]
print("Ray", importlib.metadata.version("ray"))
print(f"{len(lines)} lines on standard output, of which the program printed 1. Ray's events begin:")
for line in events:
    print("  " + re.sub(r"[0-9a-f]{56}|\d+\.\d+\.\d+\.\d+", "…", line)[:100])
assert '{"squares": [1, 4, 9]}' in lines
assert events, "Ray's events no longer reach standard output"
PYTHON
