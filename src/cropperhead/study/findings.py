"""What votes say: whose crops people prefer, whether they can tell them apart, and how surely."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from cropperhead.evaluation.croppers import CNN, HUMAN
from cropperhead.geometry.crops import Floats
from cropperhead.stats import Interval, holm_correction
from cropperhead.study import preference, two_way
from cropperhead.study.attention import (
    CARELESS,
    HASTY_MS,
    chosen,
    rater_weights,
    repeat_agreements,
)
from cropperhead.study.preference import Pairs
from cropperhead.study.two_way import Estimates, Units
from cropperhead.study.votes import BALLOT, LEFT, LIKE, NEITHER, PLAIN, TELL

LEAST_RATERS = 5  # of fewer people's votes, none says what people like
TEN_POINTS = 0.1  # of a chance to be preferred: 60 of 100 instead of 50
_SHOWN_PHOTOS = 3  # on which people preferred the network's crop, and on which they despised it
_LEAST_SHOWN_RATERS = 2
# Before votes have shown how much raters and photos differ: the variance over that of as many
# independent votes, and the share of ties. Both are guesses, and generous
_PLANNED_DESIGN_EFFECT, _PLANNED_TIES = 1.5, 0.2
_PLANNED_QUANTILES = 2.8  # of the normal distribution: 1.96 for 95 %, 0.84 for a power of 80 %
_EDGE = 1e-6  # a share of 0 or 1 has no log-odds


@dataclass(frozen=True)
class PairFinding:
    """How often the first cropper's crop is preferred to the second's, ties as half.

    `p_value` is against half, corrected for the number of pairs (Holm).
    """

    first: str
    second: str
    chance: Interval
    p_value: float

    def is_decided(self, confidence: float) -> bool:
        """Whether people prefer one of the two."""
        return self.p_value < 1 - confidence


@dataclass(frozen=True)
class Told:
    """How often people told the human crop from a cropper's; half is guessing."""

    cropper: str
    accuracy: Interval
    votes: int


@dataclass(frozen=True)
class PhotoVotes:
    """The comparisons of the network's crop of a photo with any other cropper's."""

    photo: str
    won: int
    lost: int
    tied: int


@dataclass(frozen=True)
class StudyFindings:
    """Everything that votes say.

    `shares`: each cropper's mean chance to be preferred to another; `unweighted` the same with all
    raters alike. `alpha` is Krippendorff's, of the votes on pairs that several people saw; NaN if
    there are none. `votes_needed` are of all votes on likes, until a difference of ten points
    between human and network (or the first pair) is found with a power of 80 %.
    """

    confidence: float
    votes: int
    told_votes: int
    raters: int
    careless: int
    photos: int
    shares: Mapping[str, Interval]
    unweighted: Mapping[str, Interval]
    pairs: Sequence[PairFinding]
    ties: float
    alpha: float
    self_agreement: Interval | None
    told: Sequence[Told]
    overlap_correlation: Interval | None
    votes_needed: int
    preferred: Sequence[PhotoVotes]
    despised: Sequence[PhotoVotes]

    @property
    def has_enough_raters(self) -> bool:
        """Whether enough attentive people voted to speak of people."""
        return self.raters - self.careless >= LEAST_RATERS

    @property
    def says_something(self) -> bool:
        """Whether the votes say anything of what people like."""
        return self.has_enough_raters and bool(self.shares)

    @property
    def decided(self) -> list[PairFinding]:
        """The pairs of which people prefer one; none where too few people voted."""
        found = [pair for pair in self.pairs if pair.is_decided(self.confidence)]
        return found if self.has_enough_raters else []

    @property
    def is_enough(self) -> bool:
        """Whether a difference of ten points would have shown."""
        return self.has_enough_raters and self.votes >= self.votes_needed


def summarise(votes: pd.DataFrame, confidence: float) -> StudyFindings:
    """Compute all findings from a table of votes."""
    weights = rater_weights(votes)
    counted = votes[(votes["kind"] == PLAIN) & (votes["ms"] >= HASTY_MS)]
    liked, told = (counted[counted["mode"] == mode] for mode in (LIKE, TELL))
    croppers = _croppers(liked)
    estimates, chances = (
        estimate_preferences(liked, weights, croppers) if croppers else (None, None)
    )
    alike = pd.Series(1.0, index=weights.index)
    unweighted = estimate_preferences(liked, alike, croppers)[0] if croppers else None
    best, worst = _network_photos(liked)
    return StudyFindings(
        confidence=confidence,
        votes=_count(liked),
        told_votes=_count(told),
        raters=len(weights),
        careless=int((weights < CARELESS).sum()),
        photos=int(counted["photo"].nunique()),
        shares=_by_cropper(croppers, estimates, confidence),
        unweighted=_by_cropper(croppers, unweighted, confidence),
        pairs=_pair_findings(croppers, chances, confidence),
        ties=float((liked["answer"] == NEITHER).mean()) if len(liked) else math.nan,
        alpha=krippendorff_alpha(_ratings(liked)),
        self_agreement=_self_agreement(votes, confidence),
        told=_told(told, weights, confidence),
        overlap_correlation=_overlap_correlation(liked, weights, confidence),
        votes_needed=_votes_needed(croppers, liked, weights, chances, confidence),
        preferred=best,
        despised=worst,
    )


def estimate_preferences(
    liked: pd.DataFrame, weights: pd.Series, croppers: Sequence[str]
) -> tuple[Estimates, Estimates]:
    """Estimate the log-odds of the win shares, (n,), and those of each pair's chance, (pairs,).

    `liked` are votes on which crop is liked best, each weighed by its rater's weight.
    """
    pairs = Pairs.of(len(croppers))
    values = vote_counts(liked, pairs, croppers) * _weigh(liked, weights)[:, None]
    units = Units.of(liked["rater"].tolist(), liked["group"].tolist())
    both = two_way.estimate(values, units, partial(preference_statistics, pairs))
    count = len(croppers)
    first, second = (
        Estimates(both.value[part], both.variance[part], both.freedom[part])
        for part in (slice(count), slice(count, None))
    )
    return first, second


def krippendorff_alpha(ratings: pd.DataFrame) -> float:
    """Compute Krippendorff's alpha of ratings; columns `unit` and `value`, -1, 0 or 1.

    The difference of two values is squared, as for interval data: a tie is half way. 1 is
    agreement, 0 what chance would give. NaN where no unit has two ratings, or all are equal.
    (Krippendorff 2011, "Computing Krippendorff's alpha-reliability".)
    """
    counts = ratings.groupby("unit")["value"].transform("count")
    paired = ratings[counts >= 2]
    if paired.empty:
        return math.nan
    by_unit = paired.groupby("unit")["value"]
    size, squares = by_unit.count(), paired["value"].pow(2).groupby(paired["unit"]).sum()
    # the sum over ordered pairs of (a - b)² is 2 (n Σ a² - (Σ a)²)
    within = 2 * (size * squares - by_unit.sum() ** 2) / (size - 1)
    total, values = len(paired), paired["value"].to_numpy(float)
    expected = 2 * (total * np.sum(values**2) - values.sum() ** 2) / (total - 1)
    return 1 - float(within.sum()) / float(expected) if expected else math.nan


def _croppers(liked: pd.DataFrame) -> list[str]:
    names = {*liked["left"], *liked["right"]}
    return [key for key in (HUMAN, CNN) if key in names] + sorted(names - {HUMAN, CNN})


def vote_counts(liked: pd.DataFrame, pairs: Pairs, croppers: Sequence[str]) -> Floats:
    """Mark the pair and the outcome of each vote, (n, pairs * 3)."""
    place = pd.Index(croppers)
    left, right = (place.get_indexer(pd.Index(liked[side])) for side in ("left", "right"))
    first, second = np.minimum(left, right), np.maximum(left, right)
    numbers = np.zeros((len(croppers),) * 2, dtype=np.int64)
    numbers[pairs.members[:, 0], pairs.members[:, 1]] = np.arange(len(pairs.members))
    picked = np.where(liked["answer"] == LEFT, left, right)
    outcome = np.where(picked == first, preference.FIRST, preference.SECOND)
    outcome = np.where(liked["answer"] == NEITHER, preference.TIE, outcome)
    counts = np.zeros((len(liked), len(pairs.members) * preference.OUTCOMES))
    counts[np.arange(len(liked)), numbers[first, second] * preference.OUTCOMES + outcome] = 1
    return counts


def preference_statistics(pairs: Pairs, sums: Floats) -> Floats:
    """Compute log-odds of win shares and of each pair's chance from counts, (b, n + pairs)."""
    counts = np.maximum(sums, 0).reshape(-1, len(pairs.members), preference.OUTCOMES)
    fitted = preference.fit(pairs, counts, preference.fit(pairs, counts[0]))
    chances = preference.win_chances(pairs, fitted)
    first = chances[:, pairs.members[:, 0], pairs.members[:, 1]]
    return np.asarray(logit(np.concatenate([preference.win_shares(pairs, fitted), first], axis=1)))


def _weigh(votes: pd.DataFrame, weights: pd.Series) -> Floats:
    return weights.reindex(votes["rater"]).to_numpy(float)


def _by_cropper(
    croppers: Sequence[str], estimates: Estimates | None, confidence: float
) -> dict[str, Interval]:
    if estimates is None:
        return {}
    return dict(zip(croppers, estimates.intervals(confidence, expit), strict=True))


def _pair_findings(
    croppers: Sequence[str], chances: Estimates | None, confidence: float
) -> list[PairFinding]:
    if chances is None:
        return []
    members = Pairs.of(len(croppers)).members
    corrected = holm_correction({str(i): float(p) for i, p in enumerate(chances.p_values())})
    intervals = chances.intervals(confidence, expit)
    return [
        PairFinding(croppers[first], croppers[second], intervals[i], corrected[str(i)])
        for i, (first, second) in enumerate(members)
    ]


def _mean(
    values: Floats, weights: Floats, votes: pd.DataFrame, confidence: float
) -> Interval | None:
    """Average shares, 0 to 1, over votes."""
    if not len(values):
        return None
    sums = np.stack([weights, weights * values], axis=1)

    def log_odds(each: Floats) -> Floats:
        share = each[:, 1] / np.maximum(each[:, 0], _EDGE)
        return np.asarray(logit(np.clip(share, _EDGE, 1 - _EDGE)))[:, None]

    units = Units.of(votes["rater"].tolist(), votes["group"].tolist())
    return two_way.estimate(sums, units, log_odds).intervals(confidence, expit)[0]


def _told(told: pd.DataFrame, weights: pd.Series, confidence: float) -> list[Told]:
    other = told["left"].where(told["left"] != HUMAN, told["right"])
    found = []
    for cropper in _croppers(told)[1:]:
        asked = told[other == cropper]
        # "no idea" is half right, as guessing is
        right = np.where(asked["answer"] == NEITHER, 0.5, chosen(asked) == HUMAN)
        accuracy = _mean(right.astype(float), _weigh(asked, weights), asked, confidence)
        if accuracy is not None:
            found.append(Told(cropper, accuracy, len(asked)))
    return found


def _self_agreement(votes: pd.DataFrame, confidence: float) -> Interval | None:
    again = repeat_agreements(votes)
    return _mean(again["same"].to_numpy(float), np.ones(len(again)), again, confidence)


def _overlap_correlation(
    liked: pd.DataFrame, weights: pd.Series, confidence: float
) -> Interval | None:
    """Correlate votes between two machines' crops with the difference of the crops' overlaps."""
    machines = liked[(liked["left"] != HUMAN) & (liked["right"] != HUMAN)]
    x = (machines["left_overlap"] - machines["right_overlap"]).to_numpy(float)
    y = np.select([machines["answer"] == LEFT, machines["answer"] == NEITHER], [1.0, 0.0], -1.0)
    if len(x) < 3 or not np.ptp(x) or not np.ptp(y):
        return None
    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    moments *= _weigh(machines, weights)[:, None]
    units = Units.of(machines["rater"].tolist(), machines["group"].tolist())

    # Left and right were drawn at random: the means of both are 0 but for chance, and without
    # them swapping the sides of a ballot changes nothing
    def fisher_z(sums: Floats) -> Floats:
        r = sums[:, 5] / np.sqrt(np.maximum(sums[:, 3] * sums[:, 4], _EDGE))
        return np.asarray(np.arctanh(np.clip(r, -1 + _EDGE, 1 - _EDGE)))[:, None]

    return two_way.estimate(moments, units, fisher_z).intervals(confidence, np.tanh)[0]


def _ratings(liked: pd.DataFrame) -> pd.DataFrame:
    """Return each vote's value for the pair of croppers in alphabetical order."""
    swapped = liked["left"] > liked["right"]
    first = liked["left"].where(~swapped, liked["right"])
    second = liked["right"].where(~swapped, liked["left"])
    value = np.select([liked["answer"] == NEITHER, chosen(liked) == first.to_numpy()], [0, 1], -1)
    unit = liked["photo"] + "\n" + first + "\n" + second
    return pd.DataFrame({"unit": unit, "value": value})


def _votes_needed(
    croppers: Sequence[str],
    liked: pd.DataFrame,
    weights: pd.Series,
    chances: Estimates | None,
    confidence: float,
) -> int:
    attentive = int((weights >= CARELESS).sum())
    if chances is None or attentive < LEAST_RATERS or not math.isfinite(chances.variance[0]):
        return planned_votes(max(len(croppers), 3))
    # of log-odds: a quarter of it, around a half, is the chance
    detectable = float(chances.detectable(confidence)[0]) / 4
    return _round_up(_count(liked) * (detectable / TEN_POINTS) ** 2)


def _count(votes: pd.DataFrame) -> int:
    """Count votes: one that ranks three crops has three rows."""
    return len(votes.drop_duplicates(BALLOT))


def planned_votes(croppers: int) -> int:
    """How many votes a study of this many croppers needs, before there are any.

    Votes on other pairs help, too: with votes spread evenly over the pairs of n croppers, the
    difference of two has 2 / n of the variance that n - 1 of these votes alone would give.
    """
    variance = _PLANNED_DESIGN_EFFECT * (1 - _PLANNED_TIES) / 4
    one_pair = variance * (_PLANNED_QUANTILES / TEN_POINTS) ** 2
    pairs = croppers * (croppers - 1) / 2
    return _round_up(one_pair * pairs * 2 / croppers)


def _round_up(votes: float) -> int:
    return 10 * math.ceil(votes / 10 - 1e-9)


def _network_photos(liked: pd.DataFrame) -> tuple[list[PhotoVotes], list[PhotoVotes]]:
    """Find the photos on which the network's crop was liked most, and least."""
    asked = liked[(liked["left"] == CNN) | (liked["right"] == CNN)]
    picked = chosen(asked)
    tied = picked == NEITHER
    table = pd.DataFrame(
        {
            "photo": asked["photo"],
            "won": picked == CNN,
            "tied": tied,
            "lost": ~tied & (picked != CNN),
        }
    )
    raters = asked.groupby("photo")["rater"].nunique()
    found = [
        PhotoVotes(str(photo), int(row["won"]), int(row["lost"]), int(row["tied"]))
        for photo, row in table.groupby("photo").sum().iterrows()
        if raters[str(photo)] >= _LEAST_SHOWN_RATERS
    ]
    best = sorted(found, key=lambda each: (each.lost - each.won, each.photo))
    worst = sorted(found, key=lambda each: (each.won - each.lost, each.photo))
    liked_most = [each for each in best if each.won > each.lost]
    liked_least = [each for each in worst if each.lost > each.won]
    return liked_most[:_SHOWN_PHOTOS], liked_least[:_SHOWN_PHOTOS]
