"""Checks the statistics of votes on simulated studies, and what a vote on a server costs.

    python benchmarks/study.py [--studies 1000] [--raters 20] [--photos 40]
    python benchmarks/study.py --serve STUDY [--raters 20]

Each simulated study is designed as a real one and voted on by people whose tastes differ from each
other and from photo to photo; some are careless, some malicious. Prints how often the intervals
contain the true values (95 % should), how often a cropper is called preferred where none is (5 % at
most), and in how many studies careless people move an estimate out of the interval that it has if
the same people look (`moved beyond`).

With `--serve`, people vote by keyboard in Chromium on the study in a folder, which a server in a
process of its own shows. Prints the time from the key or click that asks for a pair until it is
drawn, and the server's CPU time for a vote, that for the person's own result included; exits with
status 1 above 100 ms (the longest) and 5 ms.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from tqdm import tqdm

from cropperhead.stats import holm_correction
from cropperhead.study import findings, two_way
from cropperhead.study.attention import CARELESS, rater_weights
from cropperhead.study.ballots import Plan, StudyPhoto, design_sessions
from cropperhead.study.preference import Pairs
from cropperhead.study.votes import (
    BALLOT,
    LEFT,
    LIKE,
    NEITHER,
    PLAIN,
    RIGHT,
    SPOILED,
    make_table,
)

CROPPERS = ("human", "cnn", "random")
_ALIKE = (
    0.4  # crops whose momentary appeals differ by less are as good: a fifth of ties among equals
)
_RATER_SPREAD, _PHOTO_SPREAD = 0.4, 0.7  # standard deviations of log strengths
_SPOILED = -4.0  # the log strength of the catch trials' crop
_MOST_WAIT_MS, _MOST_CPU_MS = 100.0, 5.0
_LOOK_MS, _POLL_MS = 60, 5  # that a person looks at a pair; until the page is asked again
_DRAWN_S = 60  # after which a pair no longer comes
_SERVE = """
import sys
from pathlib import Path
from cropperhead.collection.settings import load_settings
from cropperhead.web import app, server, service
unlimited = dict.fromkeys(("raters_hourly", "total_hourly"), "1000000000")
settings = load_settings({"place": sys.argv[2]} | unlimited)
router = service.study_router(Path(sys.argv[1]), settings)
opened = server.listen(server.Address())
print(server.url(opened, "/study/"), flush=True)
server.run(app.create_app(app.PageSettings(routers=[router])), opened, None)
"""
# Notes when the person last pressed a key or clicked, and when the next pair has been drawn. A vote
# on three crops takes two keys, and between the two questions the page waits for a click
_WATCH = """() => {
  window.waits = [];
  let asked = null;
  for (const kind of ["keydown", "click"]) {
    document.addEventListener(kind, (event) => (asked = event.timeStamp), true);
  }
  const drawn = () => {
    const since = asked;
    requestAnimationFrame(() => requestAnimationFrame(() => {
      window.waits.push(performance.now() - since);
    }));
  };
  new MutationObserver(drawn).observe(document.getElementById("count"), { childList: true });
}"""
_POPULATION = 400_000  # tastes, of which the true shares are the mean


@dataclass(frozen=True)
class Case:
    """A kind of study: log strengths of the croppers, and the shares of raters who do not look."""

    name: str
    strengths: tuple[float, ...]
    careless: float = 0.0
    malicious: float = 0.0


CASES = (
    Case("no preference", (0.0, 0.0, 0.0)),
    Case("no preference, a fifth careless", (0.0, 0.0, 0.0), 0.2),
    Case("preferences", (0.5, 0.2, -0.7)),
    Case("preferences, a fifth careless", (0.5, 0.2, -0.7), 0.2),
    Case("preferences, careless and malicious", (0.5, 0.2, -0.7), 0.15, 0.1),
    Case("strong preferences, careless and malicious", (1.5, 0.5, -2.0), 0.15, 0.1),
)


def main() -> int:
    """Run one of the two measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--raters", type=int, default=20)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--bootstrap", type=int, default=0, help="draws, to compare; slow")
    parser.add_argument("--serve", default="", metavar="STUDY", help="the folder of a study")
    arguments = parser.parse_args()
    if arguments.serve:
        return serve(arguments.serve, arguments.raters)
    simulate(arguments)
    return 0


def simulate(arguments: argparse.Namespace) -> None:
    """Simulate, and print a row for each case."""
    studies, rows = _Studies(arguments.raters, arguments.photos), []
    for case in CASES:
        seeds = tqdm(range(arguments.studies), case.name, leave=False)
        results = [_check(studies, case, seed, arguments.bootstrap) for seed in seeds]
        rows.append({"case": case.name, **pd.DataFrame(results).mean().round(3).to_dict()})
    print(pd.DataFrame(rows).to_string(index=False))


def serve(folder: str, raters: int) -> int:
    """Let people vote on a server, and print what it takes."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only here

    program = shutil.which("chromium") or shutil.which("google-chrome")
    waits: list[float] = []
    costs = []
    with (
        tempfile.TemporaryDirectory() as place,
        _serving(folder, place) as (process, address),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(raters + 1):
            cost, times = _vote_in_browser(browser, address, process)
            costs.append(cost)
            waits += times
    opening, voting = np.mean(costs[1:], axis=0)  # the first one warms up the server
    median, late, worst = np.percentile(waits, [50, 99, 100])
    print(f"next pair after {median:.0f} ms (99 %: {late:.0f} ms, longest: {worst:.0f} ms)")
    print(f"server's CPU time: {voting:.1f} ms a vote, {opening:.0f} ms for all crops of a person")
    return int(worst > _MOST_WAIT_MS or voting > _MOST_CPU_MS)


@contextlib.contextmanager
def _serving(folder: str, place: str) -> Iterator[tuple[int, str]]:
    command = [sys.executable, "-c", _SERVE, folder, place]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield server.pid, server.stdout.readline().strip()
        finally:
            server.terminate()


def _cpu_s(process: int) -> float:
    """Return the CPU time that a process has used, on Linux."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _vote_in_browser(
    browser: Any, address: str, process: int
) -> tuple[tuple[float, float], list[float]]:
    """Vote on a session by keyboard.

    Returns the server's CPU time until all crops are there, and that for a vote, and the times from
    a key or click to the pair that it asks for, all in ms.
    """
    start = _cpu_s(process)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(address)
        page.click("#begin")
        page.wait_for_selector("html[data-loaded]")
        page.evaluate(_WATCH)
        loaded, votes = _cpu_s(process), _number_of_votes(page)
        for place in range(votes):
            _go_on(page, place)
            page.wait_for_timeout(_LOOK_MS)
            page.keyboard.press("1")
            if page.locator(".crop.best").count():
                page.keyboard.press("2")
        page.wait_for_selector("#liked li")
        waits = list(page.evaluate("window.waits"))
    cost = (loaded - start) * 1000, (_cpu_s(process) - loaded) / votes * 1000
    return cost, waits


def _number_of_votes(page: Any) -> int:
    return int(page.locator("#count").text_content().split(" of ")[1])


def _go_on(page: Any, drawn: int) -> None:
    """Wait until so many pairs were drawn after the first; go on where the question changes.

    Raises TimeoutError if they are not drawn in time.
    """
    end = time.monotonic() + _DRAWN_S
    while page.evaluate("window.waits.length") < drawn:
        if time.monotonic() > end:
            raise TimeoutError(f"pair {drawn} was not drawn within {_DRAWN_S} s")
        if page.locator("#between").is_visible():
            page.click("#continue")
        page.wait_for_timeout(_POLL_MS)


class _Studies:
    """Studies of one design; what differs between them is what people answer."""

    def __init__(self, raters: int, photos: int) -> None:
        sessions = design_sessions(_photos(photos), CROPPERS, raters, Plan(), 1)
        rows = [
            {
                **{"rater": f"rater {number:03}", "session": number, "place": place},
                **{"mode": ballot.mode, "kind": ballot.kind, "photo": ballot.photo},
                **{"group": ballot.photo, "left": left, "right": right},
                **{"answer": "left", "ms": 2500, "left_overlap": 0.6, "right_overlap": 0.5},
                "repeats": ballot.repeats,
                "model": "simulated",
            }
            for number, ballots in enumerate(sessions)
            for place, ballot in enumerate(ballots)
            for left, right in combinations(ballot.shown, 2)
        ]
        self.votes = make_table(rows)
        self.rater, self.photo = (pd.factorize(self.votes[name])[0] for name in ("rater", "photo"))
        names = [*CROPPERS, SPOILED]
        self.sides = np.stack(
            [pd.Index(names).get_indexer(self.votes[s]) for s in ("left", "right")]
        )
        self.ballot = self.votes.groupby(BALLOT, sort=False).ngroup().to_numpy()
        self.is_ranked = np.bincount(self.ballot)[self.ballot] > 1
        self.is_counted = (self.votes["mode"] == LIKE) & (self.votes["kind"] == PLAIN)

    def vote(self, case: Case, generator: np.random.Generator) -> pd.DataFrame:
        """Let people vote."""
        raters, photos = self.rater.max() + 1, self.photo.max() + 1
        tastes = generator.normal(0, _RATER_SPREAD, (raters, 4))
        looks = generator.normal(0, _PHOTO_SPREAD, (photos, 4))
        kind = generator.random(raters)
        sign = np.where(kind < case.careless, 0.0, 1.0)
        sign[(kind >= case.careless) & (kind < case.careless + case.malicious)] = -1.0
        values = np.array([*case.strengths, _SPOILED]) + tastes[:, None] + looks
        appeal = sign[self.rater, None] * values[self.rater, self.photo]
        # one draw for each crop of a ballot, so that a ranking contradicts itself nowhere
        momentary = generator.gumbel(size=(self.ballot.max() + 1, 4))[self.ballot]
        return self.votes.assign(answer=self._answers(appeal + momentary))

    def _answers(self, appeal: np.ndarray) -> np.ndarray:
        """Return what people answer to whom the crops appeal so much, (n, croppers)."""
        left, right = np.take_along_axis(appeal, self.sides.T, axis=1).T
        alike = np.abs(left - right) < _ALIKE
        # Of three, people who see a difference name the best, and then look for one in the others
        three = appeal[:, : len(CROPPERS)]
        all_alike = np.ptp(three, axis=1) < _ALIKE
        has_best = np.maximum(left, right) == three.max(axis=1)
        alike = np.where(self.is_ranked, all_alike | (~has_best & alike), alike)
        return np.where(alike, NEITHER, np.where(left > right, LEFT, RIGHT)).astype(object)


def _check(studies: _Studies, case: Case, seed: int, draws: int) -> dict[str, float]:
    generator = np.random.default_rng([seed, 17])
    votes = studies.vote(case, generator)
    weights = rater_weights(votes)
    liked = votes[studies.is_counted]
    truth = logit(true_shares(case.strengths))
    shares, chances = findings.estimate_preferences(liked, weights, CROPPERS)
    raw, _ = findings.estimate_preferences(liked, weights * 0 + 1, CROPPERS)
    p_values = holm_correction({str(i): float(p) for i, p in enumerate(chances.p_values())})
    (low, high), (raw_low, raw_high) = shares.ends(0.95), raw.ends(0.95)
    moved = np.nan
    if case.careless and not case.malicious:
        moved = _moved(studies, case, seed, shares.value)
    row = {
        "coverage": np.mean((low <= truth) & (truth <= high)),
        "unweighted": np.mean((raw_low <= truth) & (truth <= raw_high)),
        "decided": float(min(p_values.values()) < 0.05),
        "half width": np.mean(expit(high) - expit(low)) / 2,
        "moved beyond": moved,
        "careless": float((weights < CARELESS).sum()),
        "moved too far": float((np.abs(expit(shares.value) - expit(truth)).max()) > 0.1),
    }
    if draws:
        row["bootstrap"] = _bootstrap_coverage(liked, weights, truth, draws, generator)
    return row


def _moved(studies: _Studies, case: Case, seed: int, careless: np.ndarray) -> float:
    """Whether an estimate is outside the interval it has if the careless people look after all."""
    votes = studies.vote(replace(case, careless=0.0), np.random.default_rng([seed, 17]))
    liked = votes[studies.is_counted]
    shares, _ = findings.estimate_preferences(liked, rater_weights(votes), CROPPERS)
    low, high = shares.ends(0.95)
    return float(((careless < low) | (careless > high)).any())


@cache
def true_shares(strengths: tuple[float, ...]) -> tuple[float, ...]:
    """Return each cropper's share of wins over all the people and photos there could be."""
    generator = np.random.default_rng(0)
    spread = np.hypot(_RATER_SPREAD, _PHOTO_SPREAD)
    scores = np.array(strengths) + generator.normal(0, spread, (_POPULATION, len(strengths)))
    shares = []
    for i in range(len(strengths)):
        others = [j for j in range(len(strengths)) if j != i]
        ahead = scores[:, [i]] - scores[:, others]
        # the difference of two Gumbel variables is logistic; ties count half
        shares.append(float(np.mean(expit(ahead - _ALIKE) + expit(ahead + _ALIKE)) / 2))
    return tuple(shares)


def _bootstrap_coverage(
    liked: pd.DataFrame,
    weights: pd.Series,
    truth: np.ndarray,
    draws: int,
    generator: np.random.Generator,
) -> float:
    """Return the coverage of Owen's pigeonhole bootstrap, whose units are raters and photos."""
    pairs = Pairs.of(len(CROPPERS))
    values = findings.vote_counts(liked, pairs, CROPPERS)
    values *= weights.reindex(liked["rater"]).to_numpy()[:, None]
    units = two_way.Units.of(liked["rater"].tolist(), liked["group"].tolist())
    sums = []
    for _ in range(draws):
        drawn = 1.0
        for members in (units.rater, units.photo):
            count = members.max() + 1
            times = np.bincount(generator.integers(0, count, count), minlength=count)
            drawn = drawn * times[members]
        sums.append((values * drawn[:, None]).sum(axis=0))
    shares = findings.preference_statistics(pairs, np.array(sums))[:, : len(CROPPERS)]
    low, high = np.percentile(shares, [2.5, 97.5], axis=0)
    return float(np.mean((low <= truth) & (truth <= high)))


def _photos(count: int) -> list[StudyPhoto]:
    limits = {
        "human": (0.3, 0.3, 0.8, 0.8, 0.0),
        "cnn": (0.2, 0.3, 0.8, 0.9, 0.0),
        "random": (0.1, 0.1, 0.9, 0.6, 0.0),
    }
    return [StudyPhoto(f"photo {i:03}", f"photo {i:03}", 1.5, limits) for i in range(count)]


if __name__ == "__main__":
    sys.exit(main())
