"""Opens a photo of any format: RAW files by LibRaw, other pictures by Pillow."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from cropperhead.photos import image as pictures
from cropperhead.photos import raw

MAX_MEGAPIXELS = 400  # a larger file may be made to fill the memory


class PhotoFile(Protocol):
    """An open photo whose header is read, and whose pixels are not yet."""

    @property
    def frame(self) -> tuple[int, int]:
        """Width and height in px of the pixels as they are stored."""

    @property
    def shown_as(self) -> int:
        """The orientation (1 to 8) in which the file itself displays them."""

    def picture(self, long_side: int) -> Image.Image:
        """The stored pixels, for a copy with this long side; `image.upright_copy` makes one.

        The picture of a RAW file may be smaller than its frame, others are read only when used.
        """


@dataclass(frozen=True)
class _Picture:
    """An open picture of another format than RAW."""

    frame: tuple[int, int]
    _image: Image.Image

    @property
    def shown_as(self) -> int:
        return pictures.shown_as(self._image)

    def picture(self, long_side: int) -> Image.Image:
        del long_side  # `image.load_pixels` chooses how much is decoded
        return self._image


@contextmanager
def open_photo(file: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[PhotoFile]:
    """Opens a photo. Raises RejectedFile, also for errors that reading its pixels meets within."""
    if is_raw(file):
        with raw.open_raw(file, max_megapixels) as photo:
            yield photo
    else:
        with pictures.open_picture(file, max_megapixels) as image:
            yield _Picture(pictures.stored_size(image), image)


def container_orientation(file: Path, max_megapixels: float = MAX_MEGAPIXELS) -> int | None:
    """How the container of an HEIC or AVIF file turns it. Raises RejectedFile."""
    with pictures.open_picture(file, max_megapixels) as image:
        return pictures.container_orientation(image)


def is_raw(file: Path) -> bool:
    """Whether a file is RAW, by its name."""
    return file.suffix.lower() in raw.SUFFIXES
