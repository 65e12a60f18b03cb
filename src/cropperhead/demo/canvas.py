"""The level canvas that a scene is painted on.

A canvas shows the scene with a level horizon. It is larger than the photo's frame, so that a tilted
frame can be cut out. Coordinates are pixels of the canvas, x to the right, y down.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from cropperhead.demo.colours import Colour, Light, mix
from cropperhead.demo.outlines import Figure, Part, Points

# Outlines are drawn larger and averaged, for soft edges: three times as large, large figures twice.
_FINE, _LARGE_FINE, _LARGE = 3, 2, 150_000  # the last in px
_SPARE = 8  # px outside the tilted frame, which interpolation reads at its border

Bounds = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass
class Canvas:
    """A picture being painted: its pixels, the frame's size, the light and a random generator."""

    image: Image.Image
    width: int
    height: int
    light: Light
    rng: np.random.Generator

    @property
    def unit(self) -> int:
        """Return the frame's shorter side in pixels, which other sizes are relative to."""
        return min(self.width, self.height)

    def x(self, fraction: float) -> float:
        """Convert a fraction of the frame's width to a coordinate."""
        return self.image.width / 2 + (fraction - 0.5) * self.width

    def y(self, fraction: float) -> float:
        """Convert a fraction of the frame's height to a coordinate."""
        return self.image.height / 2 + (fraction - 0.5) * self.height

    def draw(self, figure: Figure, opacity: float = 1.0) -> None:
        """Draw a figure whose colours are final."""
        bounds = self._bounds(figure, 1)
        if bounds is None:
            return
        under = self.image.crop(bounds)
        scale = _FINE if under.width * under.height < _LARGE else _LARGE_FINE
        fine = under.resize((under.width * scale, under.height * scale), Image.Resampling.NEAREST)
        pen = ImageDraw.Draw(fine)
        for part in figure:
            pen.polygon(_in_bounds(part.points, bounds, scale), fill=part.colour)
        over = fine.reduce(scale)
        self.image.paste(over if opacity >= 1 else Image.blend(under, over, opacity), bounds)

    def draw_lit(self, figure: Figure, depth: float = 0.0, opacity: float = 1.0) -> None:
        """Draw a figure in the light of the scene, `depth` (0 to 1) deep in the haze."""
        self.draw(light_figure(figure, self.light, depth), opacity)

    def stain(self, figure: Figure, colour: Colour, opacity: float, blur: float = 0.0) -> None:
        """Cover a figure's area with one colour: its shadow, or its glow."""
        bounds = self._bounds(figure, math.ceil(3 * blur) + 1)
        if bounds is None:
            return
        mask = Image.new("L", ((bounds[2] - bounds[0]) * 2, (bounds[3] - bounds[1]) * 2))
        pen = ImageDraw.Draw(mask)
        for part in figure:
            pen.polygon(_in_bounds(part.points, bounds, 2), fill=round(255 * opacity))
        self.image.paste(colour, bounds, _blur(mask.reduce(2), blur))

    def draw_blurred(self, figure: Figure, blur: float) -> None:
        """Draw a figure whose colours are final, out of focus by `blur` px."""
        bounds = self._bounds(figure, math.ceil(3 * blur) + 1)
        if bounds is None:
            return
        size = (bounds[2] - bounds[0], bounds[3] - bounds[1])
        colours, mask = Image.new("RGB", size, _mean(figure)), Image.new("L", size)
        on_colours, on_mask = ImageDraw.Draw(colours), ImageDraw.Draw(mask)
        for part in figure:
            points = _in_bounds(part.points, bounds, 1)
            on_colours.polygon(points, fill=part.colour)
            on_mask.polygon(points, fill=255)
        self.image.paste(_blur(colours, blur), bounds, _blur(mask, blur))

    def veil(self, colour: Colour, mask: Image.Image, top: int = 0, height: int = 0) -> None:
        """Cover the canvas, or `height` rows from `top`, with a colour through a small mask."""
        rows = height or self.image.height - top
        full = mask.resize((self.image.width, rows), Image.Resampling.BILINEAR)
        self.image.paste(colour, (0, top), full)

    def _bounds(self, figure: Figure, margin: int) -> Bounds | None:
        """Return the part of the canvas that a figure touches; None if it touches none."""
        if not figure:
            return None
        points = np.concatenate([part.points for part in figure])
        (left, top), (right, low) = points.min(axis=0), points.max(axis=0)
        bounds = (
            max(0, math.floor(left) - margin),
            max(0, math.floor(top) - margin),
            min(self.image.width, math.ceil(right) + margin),
            min(self.image.height, math.ceil(low) + margin),
        )
        return bounds if bounds[0] < bounds[2] and bounds[1] < bounds[3] else None


def blank(size: tuple[int, int], tilt: float, light: Light, rng: np.random.Generator) -> Canvas:
    """Return a canvas from which a frame of that size, tilted by `tilt` degrees, can be cut."""
    # whole degrees, so that two frames of a burst have canvases of one size
    turn = math.radians(math.ceil(abs(tilt)))
    width, height = size
    across = math.ceil(width * math.cos(turn) + height * math.sin(turn)) + _SPARE
    down = math.ceil(height * math.cos(turn) + width * math.sin(turn)) + _SPARE
    return Canvas(Image.new("RGB", (across, down)), width, height, light, rng)


def light_figure(figure: Figure, light: Light, depth: float = 0.0) -> list[Part]:
    """Return the figure with the colours that a light gives it."""
    return [
        Part(
            part.points,
            mix(part.colour, light.haze, depth) if part.glows else light.on(part.colour, depth),
        )
        for part in figure
    ]


def _in_bounds(points: Points, bounds: Bounds, scale: int) -> list[float]:
    # half a pixel: Pillow's pixel (0, 0) has its centre at 0, not at 0.5
    fine = (points - np.array(bounds[:2])) * scale - 0.5
    flat: list[float] = fine.ravel().tolist()
    return flat


def _blur(picture: Image.Image, radius: float) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(radius)) if radius > 0 else picture


def _mean(figure: Figure) -> Colour:
    channels = zip(*(part.colour for part in figure), strict=True)
    red, green, blue = (sum(values) // len(figure) for values in channels)
    return red, green, blue
