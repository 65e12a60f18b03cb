"""How attentive each rater was, by what has a known answer: catch trials, repeats, haste.

A rater's votes are weighed by the probability that they looked at the pictures, not by whether they
agree with others: a taste of one's own is not carelessness.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from cropperhead.study.votes import CATCH, LEFT, LIKE, NEITHER, REPEAT, SPOILED

# In less time, nobody has seen two pictures and pressed a key: simple choice reaction times are
# about 300 ms (Luce 1986, "Response Times")
HASTY_MS = 300
_HASTY_SHARE = 0.2  # of a rater's votes, from which on the rater was hasty
# A rater who looks, and one who does not: the chance to choose the human crop over one that cuts
# the subject, to answer a repeated ballot as before (who likes two crops equally may answer either
# way), and not to be hasty. They are guesses; benchmarks/study.py shows what they do
_CATCH = (0.95, 0.4)
_REPEAT = (0.6, 0.4)
_HASTE = (0.98, 0.6)
_LOOKING = 0.85  # the share of raters who look, before anything is known of one
CARELESS = 0.5  # raters with smaller weights are counted as careless


def rater_weights(votes: pd.DataFrame) -> pd.Series:
    """Return each rater's probability of having looked, 0 to 1, by the rater's name, sorted."""
    raters, member = np.unique(votes["rater"].to_numpy(object), return_inverse=True)
    picked, kind = chosen(votes), votes["kind"].to_numpy(object)
    count = len(raters)
    catches = (kind == CATCH) & (votes["mode"].to_numpy(object) == LIKE)
    caught = (picked != SPOILED) & (picked != NEITHER)
    again = repeat_agreements(votes)
    repeated, same = member[again.index], again["same"].to_numpy()
    hasty = np.bincount(member, votes["ms"].to_numpy() < HASTY_MS, count)
    calm = hasty < _HASTY_SHARE * np.bincount(member, minlength=count)
    log_odds = np.full(count, np.log(_LOOKING / (1 - _LOOKING)))
    for (looking, not_looking), members, passed in (
        (_CATCH, member[catches], caught[catches]),
        (_REPEAT, repeated, same),
        (_HASTE, np.arange(count), calm),
    ):
        right = np.bincount(members, passed, count)
        wrong = np.bincount(members, ~passed, count)
        log_odds += right * np.log(looking / not_looking)
        log_odds += wrong * np.log((1 - looking) / (1 - not_looking))
    return pd.Series(expit(log_odds), index=pd.Index(raters, name="rater"))


def repeat_agreements(votes: pd.DataFrame) -> pd.DataFrame:
    """Compare repeated ballots with their first answers, where both were given.

    Columns: rater, group, and `same`, whether the answers are. The index is the repeated votes'
    place in the table.
    """
    picked, rater, session = chosen(votes), votes["rater"], votes["session"]
    answers = dict(zip(zip(rater, session, votes["place"], strict=True), picked, strict=True))
    again = np.flatnonzero(votes["kind"].to_numpy(object) == REPEAT)
    table = votes.iloc[again]
    keys = zip(table["rater"], table["session"], table["repeats"], strict=True)
    before = [answers.get(key) for key in keys]
    same = np.array([a == b for a, b in zip(picked[again], before, strict=True)], bool)
    result = pd.DataFrame({"rater": table["rater"], "group": table["group"]})
    result = result.set_axis(again).assign(same=same)
    return result[np.array([each is not None for each in before], bool)]


def chosen(votes: pd.DataFrame) -> NDArray[np.object_]:
    """Return the cropper that each vote chose, (n,); `neither` where it chose none."""
    left, right, answer = (votes[name].to_numpy(object) for name in ("left", "right", "answer"))
    return np.where(answer == LEFT, left, np.where(answer == NEITHER, NEITHER, right))
