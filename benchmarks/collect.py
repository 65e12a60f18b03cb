"""Measure what a collection's uploads cost, and what damaged ones can.

python benchmarks/collect.py load [--uploads N] [--place PLACE]
python benchmarks/collect.py mixed [--seconds S] [--rate N] [--seed N] [--place PLACE]
python benchmarks/collect.py fuzz [--seconds S] [--seed N] [--place PLACE]

Each talks to a server in a process of its own. `load` sends photos of some 290 kB by four clients,
and prints the server's CPU time for each, the uploads a second, and its memory. `mixed` does what
people, moderators and Prometheus do, so many times a second, and prints the answers and the memory
by the minute; it exits with status 1 for an answer of 500 or more, for a photo that is missing or
left over, or if the memory grows by more than 20 MB after its first fifth. `fuzz` damages photos,
crops and forms in many ways; it exits with status 1 if one takes more than a second of CPU time or
200 MB, if one is answered by 500 or more, or if anything is stored that is no stripped photo.
"""

import argparse
import contextlib
import io
import json
import os
import secrets
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
from PIL import Image

from cropperhead.collection import uploads
from cropperhead.collection.sent import hash_consent
from cropperhead.collection.settings import CONSENT, PASSWORD_VARIABLE, open_collection

SIZE = 1024, 768
CLIENTS, WARM_UP = 4, 8
MOST_CPU_S, MOST_MB = 1.0, 200.0
MOST_GROWTH_MB = 20.0
PHOTOS = 200  # of `mixed`
PASSWORD = "a password of the benchmark"
BOUNDARY = b"boundary-of-the-benchmark"
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
    parser.add_argument("what", choices=("load", "mixed", "fuzz"))
    parser.add_argument("--uploads", type=int, default=400)
    parser.add_argument("--place", default="")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=8, help="requests a second")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.what == "load":
        return load(given.uploads, given.place)
    with tempfile.TemporaryDirectory() as folder:
        given.place = given.place or folder
        return mixed(given) if given.what == "mixed" else fuzz(given)


def load(count: int, place: str) -> int:
    """Print the cost of uploads."""
    rng = np.random.default_rng(1)
    photos = [photo(rng, noise=21) for _ in range(count + WARM_UP)]
    with tempfile.TemporaryDirectory() as folder, serving(place or folder) as (process, address):
        with httpx.Client(base_url=address, timeout=60) as client:
            for each in photos[:WARM_UP]:
                send(client, each, crop_fields())
            before, memory, start = cpu_s(process), memory_mb(process), time.monotonic()
            with ThreadPoolExecutor(CLIENTS) as pool:
                statuses = Counter(
                    pool.map(lambda one: send(client, one, crop_fields()), photos[WARM_UP:])
                )
        took, spent = time.monotonic() - start, cpu_s(process) - before
        grown = memory_mb(process) - memory
    size = sum(map(len, photos)) / len(photos) / 1000
    print(f"{count} uploads of {size:.0f} kB, {dict(statuses)}")
    print(f"{1000 * spent / count:.1f} ms of CPU time each, {count / took:.1f} a second")
    print(f"{memory:.0f} MB before, {grown:+.1f} MB after")
    return int(set(statuses) != {201})


def mixed(given: argparse.Namespace) -> int:
    """Print what a server answers to people, moderators and Prometheus, and its memory."""
    rng = np.random.default_rng(given.seed)
    photos = [photo(rng, noise=21) for _ in range(PHOTOS)]
    memory = []
    with (
        serving(given.place) as (process, address),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        visitors, end = Visitors(client, photos, rng), time.monotonic() + given.seconds
        while time.monotonic() < end:
            due = time.monotonic() + 1 / given.rate
            visitors.visit()
            if time.monotonic() >= end - given.seconds + 60 * len(memory):
                memory.append(memory_mb(process))
            time.sleep(max(0.0, due - time.monotonic()))
        memory.append(memory_mb(process))
    grown = memory[-1] - memory[len(memory) // 5]
    print(f"{visitors.answers.total():,} requests: {dict(sorted(visitors.answers.items()))}")
    print("MB by the minute:", *(f"{each:.0f}" for each in memory))
    failed = any(status >= 500 for _, status in visitors.answers) or grown > MOST_GROWTH_MB
    return int(failed or not is_sound(given.place))


class Visitors:
    """What people, moderators and Prometheus do to a server, drawn at random."""

    def __init__(self, client: httpx.Client, photos: list[bytes], rng: np.random.Generator) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self._client, self._photos, self._rng = client, photos, rng
        self._sent: list[dict[str, Any]] = []
        client.headers["Origin"] = str(client.base_url).rstrip("/")
        client.post("/moderate/login", data={"password": PASSWORD})

    def visit(self) -> None:
        """Do one thing."""
        known = [self._repeat, self._withdraw, self._moderate] if self._sent else []
        acts: list[Callable[[], int]] = [self._send] * 4 + [self._look] * 2 + [self._spoil] + known
        act = acts[self._rng.integers(len(acts))]
        self.answers[act.__name__.strip("_"), act()] += 1

    def _send(self) -> int:
        fields = crop_fields()
        self._sent.append(fields | {"number": int(self._rng.integers(PHOTOS))})
        return self._post(self._sent[-1])

    def _repeat(self) -> int:
        return self._post(self._sent[self._rng.integers(len(self._sent))])

    def _post(self, fields: dict[str, Any]) -> int:
        known = {name: value for name, value in fields.items() if name != "number"}
        return send(self._client, self._photos[fields["number"]], known)

    def _withdraw(self) -> int:
        one = self._sent.pop(int(self._rng.integers(len(self._sent))))
        key = {name: one[name] for name in ("id", "receipt")}
        return self._client.post("/collect/withdrawals", json=key).status_code

    def _moderate(self) -> int:
        waiting = [one["id"] for one in self._sent[-5:]]
        actions = ("accept", "reject", f"ban {waiting[0]}")
        form = {"action": str(self._rng.choice(actions)), "id": waiting}
        return self._client.post("/moderate/crops", data=form).status_code

    def _look(self) -> int:
        place = ("/", "/collect/terms", "/healthz", "/metrics", "/moderate")[self._rng.integers(5)]
        return self._client.get(place).status_code

    def _spoil(self) -> int:
        content = damaged(self._photos[0], self._rng)
        return send(self._client, content, crop_fields())


def fuzz(given: argparse.Namespace) -> int:
    """Print what damaged photos, crops and forms cost."""
    rng = np.random.default_rng(given.seed)
    originals = [photo(rng), photo(rng, progressive=True), photo(rng, subsampling=0)]
    reasons: Counter[str] = Counter()
    longest, worst = 0.0, 0
    with serving(given.place) as (process, address), httpx.Client(base_url=address) as client:
        send(client, originals[0], crop_fields())
        before, end = peak_mb(process), time.monotonic() + given.seconds
        while time.monotonic() < end:
            spent = cpu_s(process)
            content = originals[rng.integers(len(originals))]
            answer = post_form(client, *damaged_form(content, rng))
            longest = max(longest, cpu_s(process) - spent)
            worst = max(worst, answer.status_code)
            reasons[answer.headers.get("x-reason", str(answer.status_code))] += 1
        grown = peak_mb(process) - before
    print(f"{reasons.total():,} uploads: {dict(reasons.most_common())}")
    print(f"the longest took {longest:.2f} s of CPU time, memory grew by {grown:.0f} MB")
    bad = longest > MOST_CPU_S or grown > MOST_MB or worst >= 500
    return int(bad or not is_sound(given.place))


def is_sound(place: str) -> bool:
    """Check that a collection holds stripped photos and nothing else, each with its crops."""
    collection = open_collection(place)
    orphans, missing = collection.sweep(0), collection.missing_objects()
    names = [row["photo"] for row in collection.list_crops()]
    contents = [collection.objects.get(name) or b"" for name in sorted(set(names))]
    unlike = sum(uploads.check_upload(content).jpeg != content for content in contents)
    print(
        f"{len(names):,} crops of {len(contents):,} photos; {orphans} photos without a crop, "
        f"{len(missing)} missing, {unlike} not stripped"
    )
    return not (orphans or missing or unlike)


def photo(rng: np.random.Generator, noise: float = 8, **options: object) -> bytes:
    """Make a JPEG as the page makes it, with grain so that it has a real photo's size."""
    small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize(SIZE, Image.Resampling.BICUBIC), dtype=float)
    grainy = np.clip(pixels + rng.normal(0, noise, pixels.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grainy).save(buffer, "JPEG", **({"quality": 84} | options))
    return buffer.getvalue()


def damaged_form(content: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Damage a photo, the crop beside it or the form around both; the body and its type."""
    crop, kind = json.dumps(crop_fields()).encode(), "multipart/form-data; boundary="
    what = rng.integers(10)
    if what < 6:
        content = damaged(content, rng)
    elif what == 6:
        content = resized(content, rng)
    elif what == 7:
        crop = damaged(crop, rng)
    body = form_body(content, crop)
    if what == 8:
        body = damaged(body, rng)
    elif what == 9:
        pieces = body.split(b"--" + BOUNDARY)
        rng.shuffle(pieces)
        body = (b"--" + BOUNDARY).join(pieces * int(rng.integers(1, 4)))
        kind = ("multipart/form-data; boundary=", "multipart/mixed; boundary=", "")[rng.integers(3)]
    return body, kind + BOUNDARY.decode()


def resized(content: bytes, rng: np.random.Generator) -> bytes:
    """Claim another size in the header of a baseline JPEG, often a huge one."""
    place = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2")) + 5
    size = struct.pack(">HH", *rng.choice((1, 31, 768, 1024, 4096, 65535), 2))
    return content[:place] + size + content[place + 4 :]


def form_body(content: bytes, crop: bytes) -> bytes:
    """Make a form of a photo and a crop."""
    head = b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
    parts = [
        head % (BOUNDARY, b"photo", b'; filename="photo.jpg"') + content,
        head % (BOUNDARY, b"crop", b"") + crop,
    ]
    return b"\r\n".join([*parts, b"--%s--\r\n" % BOUNDARY])


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


def crop_fields() -> dict[str, Any]:
    """Make a crop of a new sender, as the page sends it."""
    whole = {"top": 0, "left": 0, "bottom": 1, "right": 1, "angle": 0}
    return {
        **{name: secrets.token_hex(16) for name in ("id", "sender", "receipt")},
        "consent": hash_consent(CONSENT),
        "crop": {"top": 0.1, "left": 0.2, "bottom": 0.8, "right": 0.9, "angle": 0.0},
        "shown": "whole",
        "started_from": "whole",
        "started": whole,
    }


def send(client: httpx.Client, content: bytes, fields: dict[str, Any]) -> int:
    """Send a photo with a crop; return the answer's status."""
    body = form_body(content, json.dumps(fields).encode())
    return post_form(client, body, f"multipart/form-data; boundary={BOUNDARY.decode()}").status_code


def post_form(client: httpx.Client, body: bytes, kind: str) -> httpx.Response:
    """Send a form."""
    return client.post("/collect/crops", content=body, headers={"Content-Type": kind}, timeout=60)


@contextlib.contextmanager
def serving(place: str) -> Iterator[tuple[int, str]]:
    """Run the service in a process; its number and its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, place],
        env=os.environ | UNLIMITED | {PASSWORD_VARIABLE: PASSWORD},
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


def peak_mb(process: int) -> float:
    """Return the largest resident memory of a process so far (Linux, in kB)."""
    with open(f"/proc/{process}/status") as stream:  # noqa: PTH123
        return next(int(line.split()[1]) for line in stream if line.startswith("VmHWM")) / 1000


if __name__ == "__main__":
    sys.exit(main())
