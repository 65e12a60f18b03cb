"""Unusable files and finished exports, which every real library contains."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from cropperhead.demo.files import camera_raw_settings, encode_photo, write_with_time
from cropperhead.demo.packets import Value, xmp_packet
from cropperhead.demo.painting import paint
from cropperhead.demo.rolls import DemoPhoto, plan_photo
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
    """Write the files of `BAD_FILES` below `folder`; one of them is a copy of `original`."""
    photos = [_plain(plan_photo(seed + 1, "rule", number)) for number in range(5)]
    content = dict(_bad_content(photos, original))
    for name in BAD_FILES:
        write_with_time(folder / FOLDER / name, content[name], photos[0])


def _bad_content(photos: list[DemoPhoto], original: Path) -> Iterator[tuple[str, bytes]]:
    sound = xmp_packet(
        {"HasCrop": True, **_HALF, "CropAngle": 0, "AlreadyApplied": False}, 1, False
    )
    for photo, (name, settings) in zip(photos, _SIDECARS.items(), strict=False):
        yield f"{name}.jpg", _picture(photo)
        yield f"{name}.xmp", xmp_packet(settings, 1, elements=False)
    yield "broken_sidecar.jpg", _picture(photos[3])
    yield "broken_sidecar.xmp", sound[: len(sound) * 2 // 3]
    yield "copy_of_another.jpg", original.read_bytes()
    yield "empty.jpg", b""
    yield "orphan.xmp", sound
    yield "text.jpg", b"Shopping list: film, batteries, a new lens cap.\n"
    whole = _picture(photos[4], sound)
    yield "truncated.jpg", whole[: len(whole) * 3 // 5]


def _plain(photo: DemoPhoto) -> DemoPhoto:
    """Return the photo as an upright JPEG without any crop settings."""
    path = Path(photo.path).with_suffix(".jpg").as_posix()
    return replace(photo, path=path, orientation=1, crop=None)


def _picture(photo: DemoPhoto, xmp: bytes | None = None) -> bytes:
    return encode_photo(photo, paint(photo.scene, photo.grain_seed), xmp)


def export_path(photo: DemoPhoto) -> str:
    """Return the path of a photo's finished export."""
    return f"exports/{Path(photo.path).stem}-final.jpg"


def write_export(folder: Path, photo: DemoPhoto) -> None:
    """Write the finished export of a cropped photo: cut out, and marked as already applied."""
    upright = replace(photo, path=export_path(photo), orientation=1)
    assert upright.crop is not None, "only cropped photos are exported"
    settings = dict(camera_raw_settings(upright) or {}) | {"AlreadyApplied": True}
    picture = cut_out(paint(photo.scene, photo.grain_seed), upright.crop)
    write_with_time(
        folder / upright.path,
        encode_photo(upright, picture, xmp_packet(settings, 1, photo.elements)),
        photo,
    )


def cut_out(picture: Image.Image, crop: Crop) -> Image.Image:
    """Cut a crop out of a displayed picture and level it."""
    box = crop.in_pixels(*picture.size)
    top_left, top_right, bottom_right, bottom_left = box.corners()
    corners = np.concatenate([top_left, bottom_left, bottom_right, top_right])
    size = (round(box.width), round(box.height))
    return picture.transform(size, Image.Transform.QUAD, corners.tolist(), Image.Resampling.BICUBIC)
