"""Colours, and the lights that tint them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]  # red, green, blue, 0 to 255

WHITE: Colour = (250, 248, 242)
_DAY_TO_DAY = 8.0  # standard deviation of a sky's red, green and blue, of 255


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour `share` of the way from the first to the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """Return a darker (factor below 1) or brighter colour of the same hue."""
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue


@dataclass(frozen=True)
class Light:
    """The colours of a time of day.

    `zenith`, `middle` and `low` are those of the sky from top to horizon, `haze` the colour that
    distant things fade to, `tint` factors on the red, green and blue of everything, `lamp` the
    colour of the sun or moon, `glow` how far it spreads (0 to 1), `cloud_lit` and `cloud_shade` the
    two sides of a cloud. Lamps are on in the `evening`; when it is `dark` there is little other
    light.
    """

    zenith: Colour
    middle: Colour
    low: Colour
    haze: Colour
    tint: tuple[float, float, float]
    lamp: Colour
    glow: float
    cloud_lit: Colour
    cloud_shade: Colour
    evening: bool = False
    dark: bool = False

    def on(self, colour: Colour, depth: float = 0.0) -> Colour:
        """Return how a colour looks in this light, `depth` (0 to 1) deep in the haze."""
        red, green, blue = (
            min(255, round(part * factor)) for part, factor in zip(colour, self.tint, strict=True)
        )
        return mix((red, green, blue), self.haze, depth)

    def vary(self, rng: np.random.Generator) -> "Light":
        """Return the same light on another day, with a slightly different sky and haze."""
        shift = rng.normal(0, _DAY_TO_DAY, 3)
        return replace(
            self,
            zenith=_shift_colour(self.zenith, shift),
            middle=_shift_colour(self.middle, shift),
            low=_shift_colour(self.low, shift),
            haze=_shift_colour(self.haze, shift),
            cloud_shade=_shift_colour(self.cloud_shade, shift),
        )


LIGHTS: Mapping[str, Light] = {
    "dawn": Light(
        zenith=(92, 112, 168),
        middle=(214, 164, 176),
        low=(255, 218, 176),
        haze=(240, 196, 182),
        tint=(0.98, 0.84, 0.82),
        lamp=(255, 236, 196),
        glow=0.75,
        cloud_lit=(255, 214, 196),
        cloud_shade=(158, 134, 172),
    ),
    "day": Light(
        zenith=(52, 116, 186),
        middle=(118, 176, 222),
        low=(206, 230, 240),
        haze=(186, 212, 228),
        tint=(1.0, 1.0, 0.98),
        lamp=(255, 252, 236),
        glow=0.35,
        cloud_lit=(252, 252, 250),
        cloud_shade=(164, 186, 208),
    ),
    "golden": Light(
        zenith=(92, 136, 178),
        middle=(226, 190, 140),
        low=(255, 212, 134),
        haze=(240, 198, 146),
        tint=(1.06, 0.9, 0.7),
        lamp=(255, 240, 190),
        glow=0.9,
        cloud_lit=(255, 226, 170),
        cloud_shade=(186, 142, 126),
        evening=True,
    ),
    "dusk": Light(
        zenith=(46, 42, 98),
        middle=(164, 84, 126),
        low=(255, 156, 98),
        haze=(176, 104, 122),
        tint=(0.8, 0.62, 0.68),
        lamp=(255, 206, 146),
        glow=0.85,
        cloud_lit=(255, 150, 110),
        cloud_shade=(88, 58, 112),
        evening=True,
    ),
    "night": Light(
        zenith=(8, 12, 36),
        middle=(22, 36, 78),
        low=(58, 80, 124),
        haze=(46, 64, 104),
        tint=(0.36, 0.44, 0.62),
        lamp=(246, 244, 226),
        glow=0.3,
        cloud_lit=(74, 92, 136),
        cloud_shade=(22, 30, 62),
        dark=True,
    ),
    "overcast": Light(
        zenith=(122, 136, 150),
        middle=(166, 178, 188),
        low=(212, 216, 216),
        haze=(192, 202, 208),
        tint=(0.84, 0.87, 0.9),
        lamp=(244, 244, 240),
        glow=0.12,
        cloud_lit=(206, 212, 216),
        cloud_shade=(112, 124, 140),
    ),
}


def _shift_colour(colour: Colour, shift: NDArray[np.float64]) -> Colour:
    red, green, blue = (
        int(np.clip(round(part + float(by)), 0, 255))
        for part, by in zip(colour, shift, strict=True)
    )
    return red, green, blue


def pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """Choose one of some colours."""
    return colours[rng.integers(len(colours))]
