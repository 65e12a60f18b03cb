"""Makes the square that a network sees of a photo, the same in training and afterwards."""

from PIL import Image


def squash(image: Image.Image, side: int) -> Image.Image:
    """The upright picture in RGB, squashed to `side` x `side` px: fractions of sides stay."""
    return image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
