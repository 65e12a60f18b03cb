"""Measure what a collection's uploads cost, and what damaged ones can.

python benchmarks/collect.py load [--uploads N] [--place PLACE]
python benchmarks/collect.py fuzz [--seconds S] [--seed N]

`load` sends photos of some 290 kB to a server in a process of its own, by four clients, and prints
its CPU time for each, the uploads a second, and its memory. `fuzz` damages photos in many ways and
prints the longest check, the memory and how many were refused by reason; it exits with status 1 if
one takes more than a second of CPU time or 200 MB.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
from PIL import Image

from cropperhead.collection import uploads
from cropperhead.collection.sent import hash_consent
from cropperhead.collection.settings import CONSENT
from cropperhead.errors import RejectedFile

SIZE = 1024, 768
CLIENTS, WARM_UP = 4, 8
MOST_CPU_S, MOST_MB = 1.0, 200.0
SERVE = """
import sys
from cropperhead.collection.settings import load_settings
from cropperhead.web import app, server, service
routers = service.collection_routers(load_settings({"place": sys.argv[1]}), is_local=True)
opened = server.listen(server.Address())
print(server.url(opened), flush=True)
server.run(app.create_app(app.PageSettings(routers=routers)), opened, None)
"""
UNLIMITED = {
    "CROPPERHEAD_COLLECTION_PER_ADDRESS_HOURLY": "1000000000",
    "CROPPERHEAD_COLLECTION_TOTAL_HOURLY": "1000000000",
}


def main() -> int:
    """Run one of the two measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("load", "fuzz"))
    parser.add_argument("--uploads", type=int, default=400)
    parser.add_argument("--place", default="")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    return load(given.uploads, given.place) if given.what == "load" else fuzz(given)


def load(count: int, place: str) -> int:
    """Print the cost of uploads."""
    rng = np.random.default_rng(1)
    photos = [photo(rng, noise=21) for _ in range(count + WARM_UP)]
    with tempfile.TemporaryDirectory() as folder, serving(place or folder) as (process, address):
        with httpx.Client(base_url=address, timeout=60) as client:
            for each in photos[:WARM_UP]:
                send(client, each)
            before, memory, start = cpu_s(process), memory_mb(process), time.monotonic()
            with ThreadPoolExecutor(CLIENTS) as pool:
                statuses = Counter(pool.map(lambda one: send(client, one), photos[WARM_UP:]))
        took, spent = time.monotonic() - start, cpu_s(process) - before
        grown = memory_mb(process) - memory
    size = sum(map(len, photos)) / len(photos) / 1000
    print(f"{count} uploads of {size:.0f} kB, {dict(statuses)}")
    print(f"{1000 * spent / count:.1f} ms of CPU time each, {count / took:.1f} a second")
    print(f"{memory:.0f} MB before, {grown:+.1f} MB after")
    return int(set(statuses) != {201})


def fuzz(given: argparse.Namespace) -> int:
    """Print what damaged photos cost."""
    rng = np.random.default_rng(given.seed)
    originals = [photo(rng), photo(rng, progressive=True), photo(rng, subsampling=0)]
    reasons: Counter[str] = Counter()
    longest, end = 0.0, time.monotonic() + given.seconds
    before = peak_mb()
    while time.monotonic() < end:
        content = damaged(originals[rng.integers(len(originals))], rng)
        start = time.thread_time()
        try:
            checked = uploads.check_upload(content)
        except RejectedFile as error:
            reasons[error.kind] += 1
        else:
            reasons["whole"] += 1
            assert uploads.check_upload(checked.jpeg) == checked
        longest = max(longest, time.thread_time() - start)
    grown = peak_mb() - before
    print(f"{reasons.total():,} photos: {dict(reasons.most_common())}")
    print(f"the longest took {longest:.3f} s of CPU time, memory grew by {grown:.0f} MB")
    return int(longest > MOST_CPU_S or grown > MOST_MB)


def photo(rng: np.random.Generator, noise: float = 8, **options: object) -> bytes:
    """Make a JPEG as the page makes it, with grain so that it has a real photo's size."""
    small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize(SIZE, Image.Resampling.BICUBIC), dtype=float)
    grainy = np.clip(pixels + rng.normal(0, noise, pixels.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grainy).save(buffer, "JPEG", **({"quality": 84} | options))
    return buffer.getvalue()


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Change, cut, repeat or insert a few bytes, mostly in the header."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 8)):
        limit = 700 if rng.random() < 0.7 else len(changed)
        place = int(rng.integers(0, min(limit, len(changed))))
        kind, length = rng.integers(0, 5), int(rng.integers(1, 300))
        if kind == 0:
            changed[place] = int(rng.integers(0, 256))
        elif kind == 1:
            del changed[place : place + length]
        elif kind == 2:
            changed[place:place] = rng.bytes(length)
        elif kind == 3:
            changed[place:place] = changed[place : place + length]
        else:
            changed[place : place + 2] = b"\xff" + bytes([int(rng.integers(0xC0, 0x100))])
        if len(changed) < 16:
            break
    return bytes(changed)


def send(client: httpx.Client, content: bytes) -> int:
    """Send a photo with a crop; return the answer's status."""
    crop = {"top": 0.1, "left": 0.2, "bottom": 0.8, "right": 0.9, "angle": 0.0}
    whole = {"top": 0, "left": 0, "bottom": 1, "right": 1, "angle": 0}
    fields = {
        **{name: secrets.token_hex(16) for name in ("id", "sender", "receipt")},
        "consent": hash_consent(CONSENT),
        "crop": crop,
        "shown": "whole",
        "started_from": "whole",
        "started": whole,
    }
    form = {"photo": ("photo.jpg", content, "image/jpeg")}
    answer = client.post("/collect/crops", files=form, data={"crop": json.dumps(fields)})
    return answer.status_code


@contextlib.contextmanager
def serving(place: str) -> Iterator[tuple[int, str]]:
    """Run the service in a process; its number and its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, place],
        env=os.environ | UNLIMITED,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().strip().rstrip("/")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def cpu_s(process: int) -> float:
    """Return the CPU time of a process so far (Linux, proc(5))."""
    with open(f"/proc/{process}/stat") as stream:  # noqa: PTH123
        fields = stream.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process: int) -> float:
    """Return the resident memory of a process (Linux)."""
    with open(f"/proc/{process}/statm") as stream:  # noqa: PTH123
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """Return this process's largest resident memory so far (Linux: kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    sys.exit(main())
