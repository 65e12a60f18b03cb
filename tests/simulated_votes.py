"""Votes as people give them, for tests."""

import numpy as np
import pandas as pd

from cropperhead.study.ballots import Plan, StudyPhoto, design_sessions
from cropperhead.study.votes import NEITHER, SPOILED, compare, make_table

CROPPERS = ("human", "cnn", "random")
LIMITS = {
    "human": (0.3, 0.3, 0.8, 0.8, 0.0),
    "cnn": (0.2, 0.3, 0.8, 0.9, 0.0),
    "random": (0.1, 0.1, 0.9, 0.6, 0.0),
}


def photos(count: int) -> list[StudyPhoto]:
    names = [f"{i:03}.jpg" for i in range(count)]
    return [StudyPhoto(name, name, 1.5, LIMITS) for name in names]


def simulate(
    raters: int,
    strengths: dict[str, float],
    seed: int = 0,
    careless: int = 0,
    plan: Plan | None = None,
    count: int = 30,
) -> pd.DataFrame:
    """Vote in sessions of a study; the last `careless` raters answer at random."""
    rng = np.random.default_rng(seed)
    values = strengths | {SPOILED: -6.0}
    rows = []
    for number, ballots in enumerate(
        design_sessions(photos(count), CROPPERS, raters, plan or Plan(), seed)
    ):
        for place, ballot in enumerate(ballots):
            looks = number < raters - careless
            scores = np.array([values[cropper] for cropper in ballot.shown]) * looks
            rows += [
                {
                    **{"rater": f"rater {number:02}", "session": number, "place": place},
                    **{"mode": ballot.mode, "kind": ballot.kind, "photo": ballot.photo},
                    **{"group": ballot.photo, "left": left, "right": right},
                    **{"answer": better, "ms": 1500, "repeats": ballot.repeats, "model": ""},
                    **{"left_overlap": 0.7 if left == "cnn" else 0.5},
                    **{"right_overlap": 0.7 if right == "cnn" else 0.5},
                }
                for left, right, better in compare(ballot.shown, answer(scores, rng))
            ]
    return make_table(rows)


def answer(scores: np.ndarray, rng: np.random.Generator) -> str:
    """Answer a ballot on crops of these log strengths: the best of them, or no difference."""
    weights = np.exp([*scores, scores.mean() - 1])
    best = int(rng.choice(len(weights), p=weights / weights.sum()))
    if best == len(scores):
        return NEITHER
    if len(scores) == 2:
        return ("left", "right")[best]
    others = [i for i in range(3) if i != best]
    chances = np.exp(scores[others])
    second = int(rng.choice(others, p=chances / chances.sum()))
    return "".join(str(i + 1) for i in (best, second, 3 - best - second))
