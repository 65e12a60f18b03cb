import zlib
from pathlib import Path

import pytest
from conftest import save_photo, settings, xmp

from cropperhead.library.settings import header_words
from cropperhead.photos import precheck


def is_silent(file: Path) -> bool:
    return precheck.is_silent(file, header_words())


def test_a_photo_that_no_editor_has_touched_is_silent(tmp_path):
    camera = save_photo(tmp_path / "a.jpg", exif={0x010F: "Canon", 0x0112: 6})
    rated = save_photo(tmp_path / "b.jpg", b"<x:xmpmeta xmp:Rating='0'/>")
    assert is_silent(camera)
    assert is_silent(rated)


@pytest.mark.parametrize(
    "packet",
    [
        xmp(settings()),
        xmp({}),
        b"<rdf:li xmlns:darktable='http://darktable.sf.net/'/>",
        xmp(settings()).decode().encode("utf-16-le"),
        xmp(settings()).decode().encode("utf-16-be"),
    ],
)
def test_a_photo_that_names_an_editor_is_not_silent(tmp_path, packet):
    assert not is_silent(save_photo(tmp_path / "a.jpg", packet))


def test_a_photo_whose_xmp_is_divided_into_segments_is_not_silent(tmp_path):
    photo = save_photo(tmp_path / "a.jpg").read_bytes()
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"camera-raw-set"
    segment = b"\xff\xe1" + (len(extension) + 2).to_bytes(2, "big") + extension
    (tmp_path / "a.jpg").write_bytes(photo[:2] + segment + photo[2:])
    assert not is_silent(tmp_path / "a.jpg")


@pytest.mark.parametrize("cut", [1, 3, 4, 30, 200])
def test_a_damaged_header_or_another_format_is_not_silent(tmp_path, cut):
    whole = save_photo(tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[:cut])
    (tmp_path / "c.jpg").write_bytes(b"\xff\xd8" + b"no segment" + whole[2:])
    save_photo(tmp_path / "d.png")
    assert not any(is_silent(tmp_path / name) for name in ("b.jpg", "c.jpg", "d.png"))


def test_a_segment_that_is_longer_than_the_file_is_not_silent(tmp_path):
    file = Path(tmp_path / "a.jpg")
    file.write_bytes(b"\xff\xd8\xff\xe1\xff\xff" + b"x" * 100)
    assert not is_silent(file)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        is_silent(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_png_whose_texts_unpack_to_too_much_is_a_bomb(tmp_path, kind):
    whole = save_photo(tmp_path / "a.png", xmp(settings())).read_bytes()
    flags = b"\1\0\0\0" if kind == b"iTXt" else b"\0"
    for name, size, bomb in (("small.png", 1_000_000, False), ("large.png", 70_000_000, True)):
        text = b"keyword\0" + flags + zlib.compress(bytes(size))
        chunk = len(text).to_bytes(4) + kind + text + zlib.crc32(kind + text).to_bytes(4)
        (tmp_path / name).write_bytes(whole[:33] + chunk + whole[33:])
        assert precheck.is_bomb(tmp_path / name) is bomb
    assert not precheck.is_bomb(tmp_path / "a.png")
