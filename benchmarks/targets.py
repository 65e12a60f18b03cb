"""What the models are to reach, and whether they do: the last table of `model.py`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from personal import Gain

from cropperhead.stats import Interval

# Gain over the median crop: its mean and the lower end of its interval
GAINS = {"standard": (0.039, 0.034), "best": (0.044, 0.038)}
PERSONAL_GAIN, LEAST_CHANGED = 0.035, 20  # own crops from which it holds for people with a style
MOST_TILTED, MOST_LEVEL_TURNED = 0.85, 0.08
LEAST_FIFTHS = 0.06
MOST_SECONDS, MOST_MEGABYTES = 60, 4
SIGNIFICANT = 1.96  # standard errors


@dataclass(frozen=True)
class Summary:
    """What a model reached on photos that it has not seen.

    `gain`: overlap above the median crop. `angle`: the error of the angle less that of leaving
    photos alone, degrees. `tilted`: that error as a share, of photos that were turned by a degree
    or more. `level_turned`: the share of level photos that are turned so far. `fifths`: overlap of
    the most confident fifth above the least. `photos`: on how many it was trained, in `seconds`.
    """

    folds: int
    photos: int
    gain: Interval
    angle: Interval
    tilted: float
    level_turned: float
    fifths: float
    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Target:
    """What is to be reached, what was found, and whether that is enough."""

    what: str
    wanted: str
    found: str
    met: bool


def table(summaries: Mapping[str, Summary], gains: Sequence[Gain]) -> Iterator[str]:
    """Lines of the table: of the cases that were measured."""
    yield "| what | wanted | found | met |\n|---|---|---|---|"
    for each in (*_of_models(summaries), *map(_of_photographers, gains)):
        yield f"| {each.what} | {each.wanted} | {each.found} | {'yes' if each.met else '**no**'} |"


def signed(interval: Interval, digits: str = ".4f", unit: str = "") -> str:
    """A difference and its interval, each with its sign."""
    mean, low, high = (f"{each:+{digits}}" for each in (interval.mean, interval.low, interval.high))
    return f"{mean}{unit} ({low} to {high})"


def _of_models(summaries: Mapping[str, Summary]) -> Iterator[Target]:
    for name, (mean, low) in GAINS.items():
        if name in summaries:
            gain, folds = summaries[name].gain, summaries[name].folds
            yield Target(
                f"{name}, {folds} folds: overlap above the median crop",
                f"{mean:+.3f}, its interval above {low:+.3f}",
                signed(gain),
                gain.mean >= mean and gain.low > low,
            )
    if "standard" in summaries:
        yield from _of_standard(summaries["standard"])


def _of_standard(found: Summary) -> Iterator[Target]:
    yield Target(
        "error of the angle, less that of leaving all photos alone",
        "below 0, with its interval",
        signed(found.angle, ".3f", "°"),
        found.angle.high < 0,
    )
    for what, wanted, value, digits in (
        ("level photos turned by a degree or more", MOST_LEVEL_TURNED, found.level_turned, ".1%"),
        ("tilted photos: error, times that of leaving alone", MOST_TILTED, found.tilted, ".2f"),
        (f"seconds to train on {found.photos} photos' fields", MOST_SECONDS, found.seconds, ".0f"),
        ("MB with weights of 16 bits", MOST_MEGABYTES, found.megabytes, ".1f"),
    ):
        met = value <= wanted
        yield Target(what, f"at most {wanted:{digits}}", f"{value:{digits}}", met)
    yield Target(
        "overlap of the most confident fifth above the least",
        f"at least {LEAST_FIFTHS:.2f}",
        f"{found.fifths:+.4f}",
        found.fifths >= LEAST_FIFTHS,
    )


def _of_photographers(gain: Gain) -> Target:
    """Gains of simulated people are asked for from some crops on; nobody may lose by a choice."""
    asked = gain.kind == "draws" or gain.own >= LEAST_CHANGED
    lost = gain.against_best + SIGNIFICANT * gain.against_best_error < 0
    least = f"{PERSONAL_GAIN:+.3f}, " if asked else ""
    return Target(
        f"{gain.kind} with {gain.own} own crops: chosen above the median crop",
        f"{least}not below the better of median and base",
        f"{gain.chosen:+.4f}; {gain.against_best:+.4f} ± {gain.against_best_error:.4f}",
        (gain.chosen >= PERSONAL_GAIN or not asked) and not lost,
    )
