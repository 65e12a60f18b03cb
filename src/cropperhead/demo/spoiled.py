"""What no library is free of: files that cannot be used, and finished exports."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from cropperhead.demo.files import encoded, settings_of, write
from cropperhead.demo.packets import Value, packet
from cropperhead.demo.painting import paint
from cropperhead.demo.rolls import Photo, plan_photo
from cropperhead.geometry.crops import Crop

FOLDER = "bad"
_HALF: Mapping[str, Value] = {"CropTop": 0.1, "CropLeft": 0.1, "CropBottom": 0.9, "CropRight": 0.9}
_SIDECARS: Mapping[str, Mapping[str, Value]] = {
    "inverted": {"HasCrop": True, **_HALF, "CropTop": 0.9, "CropBottom": 0.1, "CropAngle": 0},
    "outside": {"HasCrop": True, **_HALF, "CropLeft": -0.2, "CropRight": 1.3, "CropAngle": 0},
    "pixels": {"CropTop": 40, "CropLeft": 60, "CropBottom": 740, "CropRight": 1130},
}
BAD_FILES = (
    "broken_sidecar.jpg",
    "broken_sidecar.xmp",
    "copy_of_another.jpg",
    "empty.jpg",
    "inverted.jpg",
    "inverted.xmp",
    "orphan.xmp",
    "outside.jpg",
    "outside.xmp",
    "pixels.jpg",
    "pixels.xmp",
    "text.jpg",
    "truncated.jpg",
)


def write_bad(folder: Path, seed: int, original: Path) -> None:
    """Writes the files of `BAD_FILES` below `folder`; `original` is the photo that one copies."""
    photos = [_plain(plan_photo(seed + 1, "rule", number)) for number in range(5)]
    content = dict(_bad_content(photos, original))
    for name in BAD_FILES:
        write(folder / FOLDER / name, content[name], photos[0])


def _bad_content(photos: list[Photo], original: Path) -> Iterator[tuple[str, bytes]]:
    sound = packet({"HasCrop": True, **_HALF, "CropAngle": 0, "AlreadyApplied": False}, 1, False)
    for photo, (name, settings) in zip(photos, _SIDECARS.items(), strict=False):
        yield f"{name}.jpg", _picture(photo)
        yield f"{name}.xmp", packet(settings, 1, elements=False)
    yield "broken_sidecar.jpg", _picture(photos[3])
    yield "broken_sidecar.xmp", sound[: len(sound) * 2 // 3]
    yield "copy_of_another.jpg", original.read_bytes()
    yield "empty.jpg", b""
    yield "orphan.xmp", sound
    yield "text.jpg", b"Shopping list: film, batteries, a new lens cap.\n"
    whole = _picture(photos[4], sound)
    yield "truncated.jpg", whole[: len(whole) * 3 // 5]


def _plain(photo: Photo) -> Photo:
    """The photo as an upright JPEG without any word about a crop."""
    path = Path(photo.path).with_suffix(".jpg").as_posix()
    return replace(photo, path=path, orientation=1, crop=None)


def _picture(photo: Photo, xmp: bytes | None = None) -> bytes:
    return encoded(photo, paint(photo.scene, photo.grain_seed), xmp)


def export_path(photo: Photo) -> str:
    """Where the finished export of a photo lies."""
    return f"exports/{Path(photo.path).stem}-final.jpg"


def write_export(folder: Path, photo: Photo) -> None:
    """The finished picture of a cropped photo: cut out, and marked as cropped already."""
    upright = replace(photo, path=export_path(photo), orientation=1)
    assert upright.crop is not None, "only cropped photos are exported"
    settings = dict(settings_of(upright) or {}) | {"AlreadyApplied": True}
    picture = cut_out(paint(photo.scene, photo.grain_seed), upright.crop)
    write(
        folder / upright.path, encoded(upright, picture, packet(settings, 1, photo.elements)), photo
    )


def cut_out(picture: Image.Image, crop: Crop) -> Image.Image:
    """What a crop leaves of a displayed picture, levelled."""
    box = crop.in_pixels(*picture.size)
    top_left, top_right, bottom_right, bottom_left = box.corners()
    corners = np.concatenate([top_left, bottom_left, bottom_right, top_right])
    size = (round(box.width), round(box.height))
    return picture.transform(size, Image.Transform.QUAD, corners.tolist(), Image.Resampling.BICUBIC)
