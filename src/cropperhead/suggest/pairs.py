"""One exposure in two files: a RAW photo, and the JPEG that the camera wrote beside it.

One look at either of them is enough, unless they may show something else: a program has changed
one, or the camera has cut the JPEG to another size.
"""

from pathlib import Path

from cropperhead import api
from cropperhead.errors import RejectedFile
from cropperhead.photos import photo_file
from cropperhead.photos.photo_file import PhotoFile
from cropperhead.system.filenames import fold_name

_JPEG = frozenset({".jpg", ".jpeg", ".jpe"})
# Of a side: the JPEG lacks some px at the border of what is kept of a sensor. One that a digital
# zoom took has other sides, and so has one of another aspect
_BORDER = 0.02


def are_named_alike(one: Path, other: Path) -> bool:
    """Whether two files are named as a camera names the two of one exposure."""
    kinds = {photo_file.is_raw(each) for each in (one, other)}
    jpegs = [each for each in (one, other) if each.suffix.lower() in _JPEG]
    is_pair = kinds == {True, False} and len(jpegs) == 1
    is_alike = fold_name(one.stem) == fold_name(other.stem)
    return is_pair and one.parent == other.parent and is_alike


def show_the_same(seen: Path, other: Path, exactly: bool) -> bool:
    """Whether two files are of one exposure, in the same frame, and as the camera wrote them.

    `exactly` asks for frames of the same size, else their sides may differ by the border of a
    sensor. What cannot be opened shows nothing, nor does another file than the one that was `seen`
    if a part of its picture is missing.
    """
    try:
        with photo_file.open_photo(seen) as first, photo_file.open_photo(other) as second:
            is_pair = _are_of_one_exposure(first, second) and _are_alike(first, second, exactly)
            return is_pair and second.is_whole(api.LONG_SIDE)
    except RejectedFile:
        return False


def _are_of_one_exposure(one: PhotoFile, other: PhotoFile) -> bool:
    return one.exposure is not None and one.exposure == other.exposure


def _are_alike(one: PhotoFile, other: PhotoFile, exactly: bool) -> bool:
    most = 0.0 if exactly else _BORDER
    sides = zip(one.frame, other.frame, strict=True)
    return one.shown_as == other.shown_as and all(abs(a / b - 1) <= most for a, b in sides)
