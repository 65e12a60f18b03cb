import zlib
from pathlib import Path

import pytest
from conftest import save_photo, settings, xmp

from cropperhead.library.settings import header_words
from cropperhead.photos import precheck


def found(file: Path) -> list[bytes] | None:
    return precheck.find_packets(file, header_words())


def test_the_packets_of_xmp_are_found(tmp_path):
    rated = b"<x:xmpmeta xmp:Rating='0'/>"
    assert found(save_photo(tmp_path / "a.jpg", exif={0x010F: "Canon", 0x0112: 6})) == []
    assert found(save_photo(tmp_path / "b.jpg", rated)) == [rated]
    assert found(save_photo(tmp_path / "c.jpg", xmp(settings()))) == [xmp(settings())]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_an_editors_name_elsewhere_is_for_exiftool(tmp_path, encoding):
    text = xmp(settings()).decode().encode(encoding)
    assert found(save_photo(tmp_path / "a.jpg", exif={0x02BC: text, 0x010F: "Canon"})) is None


def test_xmp_that_is_divided_into_segments_is_for_exiftool(tmp_path):
    photo = save_photo(tmp_path / "a.jpg").read_bytes()
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"camera-raw-set"
    segment = b"\xff\xe1" + (len(extension) + 2).to_bytes(2, "big") + extension
    (tmp_path / "a.jpg").write_bytes(photo[:2] + segment + photo[2:])
    assert found(tmp_path / "a.jpg") is None


@pytest.mark.parametrize("cut", [1, 3, 4, 30, 200])
def test_a_damaged_header_or_another_format_is_for_exiftool(tmp_path, cut):
    whole = save_photo(tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[:cut])
    (tmp_path / "c.jpg").write_bytes(b"\xff\xd8" + b"no segment" + whole[2:])
    save_photo(tmp_path / "d.png")
    assert all(found(tmp_path / name) is None for name in ("b.jpg", "c.jpg", "d.png"))


def test_a_segment_that_is_longer_than_the_file_is_for_exiftool(tmp_path):
    file = Path(tmp_path / "a.jpg")
    file.write_bytes(b"\xff\xd8\xff\xe1\xff\xff" + b"x" * 100)
    assert found(file) is None


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        found(tmp_path / "a.jpg")


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
