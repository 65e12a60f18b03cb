"""How fast the page shows a crop, next to the browser's own decoding of the photo.

python benchmarks/page.py [--rounds N] [--model MODEL] [--folder DIR]

It draws four JPEGs of 24 megapixels, opens the page in Chromium and chooses each of them, in turn
with only decoding it in full. Processor times are those of all of the browser's processes.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from suggest import draw

from cropperhead.web import app, page_model

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from web_pages import serving

PHOTOS = 4
CHROMIUM = "/usr/bin/chromium"
SETTLE_S = 0.5  # until what one measurement left behind is done
DECODE = """async () => {
  const start = performance.now();
  (await createImageBitmap(document.getElementById("probe").files[0])).close();
  return performance.now() - start;
}"""
# From the choice to the first frame after the status is empty, when the crop is shown
CHOOSE = """() => new Promise((resolve) => {
  const start = performance.now();
  const status = document.getElementById("status");
  const watch = new MutationObserver(() => {
    if (status.textContent !== "") return;
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
  });
  watch.observe(status, { childList: true });
  const input = document.getElementById("file");
  input.files = document.getElementById("probe").files;
  input.dispatchEvent(new Event("change"));
})"""
ADD_PROBE = """() => {
  const probe = Object.assign(document.createElement("input"), { type: "file", id: "probe" });
  document.body.append(probe);
}"""


def main() -> None:
    """Prints the table."""
    options = _options()
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as scratch,
        page_model.find_page_model(options.model) as (_, found),
        serving(app.create_app(app.PageSettings(model=found))) as address,
        sync_playwright() as playwright,
    ):
        folder = Path(scratch, "photos")
        draw(folder, PHOTOS)
        # as root, its own sandbox cannot start
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        page.evaluate(ADD_PROBE)
        _print_times(page, sorted(folder.iterdir()) * options.rounds)
        browser.close()


def _print_times(page: Any, files: list[Path]) -> None:
    work = {"decoding": DECODE, "from the choice to the crop": CHOOSE}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for file in files:
        page.set_input_files("#probe", file)
        for name, script in work.items():
            time.sleep(SETTLE_S)
            before = _processor_ms()
            elapsed = page.evaluate(script)
            time.sleep(SETTLE_S)
            times[name].append((elapsed, _processor_ms() - before))
    print(f"load {os.getloadavg()[0]:.1f}\n\n| median, ms | clock | processors |\n|---|---|---|")
    for name, each in times.items():
        clock, processors = (statistics.median(one) for one in zip(*each, strict=True))
        print(f"| {name} | {clock:.0f} | {processors:.0f} |")


def _processor_ms() -> float:
    """Processor time so far of all processes below this one, as Linux counts it."""
    children: dict[int, list[tuple[int, int]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        used = int(fields[11]) + int(fields[12])
        children.setdefault(int(fields[1]), []).append((int(stat.parent.name), used))
    ticks, parents = 0, [os.getpid()]
    while parents:
        for process, used in children.get(parents.pop(), []):
            ticks += used
            parents.append(process)
    return 1000 * ticks / os.sysconf("SC_CLK_TCK")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="through the photos")
    parser.add_argument("--model", help="as of `serve` (default: the one in models/)")
    parser.add_argument("--folder", type=Path, help="where to make photos (30 MB)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
