"""Opens a photo of any format: RAW files by LibRaw, other pictures by Pillow."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from PIL import Image

from cropperhead.photos import camera_preview, embedded_preview, raw
from cropperhead.photos import image as pictures
from cropperhead.photos.as_taken import Exposure
from cropperhead.photos.embedded_preview import PhotoFrame
from cropperhead.photos.sensor import Sensor

MAX_MEGAPIXELS = 400  # a larger file may be made to fill the memory


class PhotoFile(Protocol):
    """An open photo whose header is read, and whose pixels are not yet."""

    @property
    def frame(self) -> tuple[int, int]:
        """Width and height in px of the pixels as they are stored."""

    @property
    def shown_as(self) -> int:
        """The orientation (1 to 8) in which the camera displays them, by the rule of the format.

        Everyone who asks which way is up, asks here. HEIC and AVIF: their container's. Others:
        EXIF's; of a RAW file without any, that of the maker's notes.
        """

    @property
    def format(self) -> str:
        """Pillow's name of the format, by the file's content; RAW for RAW files."""

    @property
    def sensor(self) -> Sensor | None:
        """Where the frame of a RAW photo is on the sensor, or an HEIC's in the coded picture.

        None for other formats, and for an HEIC without a clean aperture.
        """

    @property
    def exposure(self) -> Exposure | None:
        """What the camera says of the exposure, in a file that no program has changed since."""

    def picture(self, long_side: int) -> Image.Image:
        """The stored pixels, for a copy with this long side; `image.upright_copy` makes one.

        It may be smaller than the frame, where the file holds a smaller one that shows the same.
        Otherwise its pixels are read only when used.
        """

    def is_whole(self, long_side: int) -> bool:
        """Whether all of what `picture` shows is in the file; False where only decoding tells."""


@dataclass(frozen=True)
class _Picture:
    """An open picture of another format than RAW."""

    frame: tuple[int, int]
    sensor: Sensor | None
    _image: Image.Image
    _file: Path
    _max_megapixels: float

    @property
    def shown_as(self) -> int:
        return pictures.shown_as(self._image)

    @property
    def format(self) -> str:
        return str(self._image.format)

    @property
    def exposure(self) -> Exposure | None:
        return camera_preview.find_exposure(self._image, self.frame)

    def picture(self, long_side: int) -> Image.Image:
        profile = self._image.info.get("icc_profile")
        frame = PhotoFrame(self.frame, self.shown_as, self._max_megapixels, profile)
        preview = camera_preview.find_preview(self._image, self._file, frame, long_side)
        # of the photo itself, `image.load_pixels` chooses how much is decoded
        return self._image if preview is None else preview

    def is_whole(self, long_side: int) -> bool:  # noqa: ARG002 - a JPEG is cut off at any size
        return self.format in pictures.JPEG_FORMATS and embedded_preview.ends_whole(self._file)


@contextmanager
def open_photo(file: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[PhotoFile]:
    """Opens a photo. Raises RejectedFile, also for errors that reading its pixels meets within."""
    if is_raw(file):
        with raw.open_raw(file, max_megapixels) as photo:
            yield photo
    else:
        with pictures.open_picture(file, max_megapixels) as image:
            coded = pictures.coded_picture(image)
            size = pictures.stored_size(image)
            yield _Picture(size, coded, image, file, max_megapixels)


@contextmanager
def open_when_asked(
    file: Path,
    max_megapixels: float = MAX_MEGAPIXELS,
    before: Callable[[], object] = lambda: None,
) -> Iterator[Callable[[], PhotoFile]]:
    """Gives a function that opens a photo, when it is first called. Raises as `open_photo`.

    `before` is called once, before it is opened.
    """
    with ExitStack() as stack:

        def open_now() -> PhotoFile:
            before()
            return stack.enter_context(open_photo(file, max_megapixels))

        yield cache(open_now)


def is_raw(file: Path) -> bool:
    """Whether a file is RAW, by its name."""
    return file.suffix.lower() in raw.SUFFIXES
