"""Votes as people give them, for tests."""

import numpy as np
import pandas as pd

from cropperhead.study.ballots import Plan, StudyPhoto, design_sessions
from cropperhead.study.votes import SPOILED, make_table

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
            scores = np.array([values[ballot.left], values[ballot.right]]) * looks
            weights = np.exp([*scores, scores.mean() - 1])
            answer = str(rng.choice(["left", "right", "neither"], p=weights / weights.sum()))
            rows.append(
                {
                    **{"rater": f"rater {number:02}", "session": number, "place": place},
                    **{"mode": ballot.mode, "kind": ballot.kind, "photo": ballot.photo},
                    **{"group": ballot.photo, "left": ballot.left, "right": ballot.right},
                    **{"answer": answer, "ms": 1500, "repeats": ballot.repeats, "model": ""},
                    **{"left_overlap": 0.7 if ballot.left == "cnn" else 0.5},
                    **{"right_overlap": 0.7 if ballot.right == "cnn" else 0.5},
                }
            )
    return make_table(rows)
