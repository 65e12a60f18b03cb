import random
from pathlib import Path

import pytest
from conftest import ROOT, darktable_xmp, save_photo, settings, xmp
from fuzzing import mutated

from cropperhead.errors import RejectedFile
from cropperhead.library import edited_photo, scan
from cropperhead.library.settings import is_surely_uncropped
from cropperhead.photos import exiftool

SIDECARS = ROOT / "tests" / "vectors" / "sidecars"
UNCROPPED = {"HasCrop": "False", "CropTop": 0, "CropLeft": 0, "CropBottom": 1, "CropRight": 1}
# What Lightroom keeps of a style, in which something may have the name of a crop's setting
STYLE = "<crs:Look><rdf:Description crs:{0}='{1}'/></crs:Look></rdf:Description>"
CROPPED = settings()
SURE = {
    "attributes": xmp(UNCROPPED),
    "elements": xmp(UNCROPPED, elements=True),
    "no word of a crop": xmp({"Exposure2012": "+0.50"}),
    "applied": xmp(UNCROPPED | {"AlreadyApplied": "True"}),
    "in a wrapper": b"<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>"
    + xmp(UNCROPPED)
    + b"\n  \n<?xpacket end='w'?>",
    "another prefix": xmp(UNCROPPED).replace(b"crs", b"camera"),
    "without a wrapper": xmp(UNCROPPED)
    .replace(b'<x:xmpmeta xmlns:x="adobe:ns:meta/">', b"")
    .replace(b"</x:xmpmeta>", b""),
}
UNSURE = {
    "a crop": xmp(CROPPED),
    "a crop in elements": xmp(CROPPED, elements=True),
    "limits alone": xmp({"CropTop": 0.2}),
    "no such flag": xmp({"HasCrop": "maybe"}),
    "twice": xmp(UNCROPPED).replace(b"crs:HasCrop", b'crs:HasCrop="False" crs:HasCrop', 1),
    "in another namespace": xmp(UNCROPPED | {"HasCrop": "False' other:HasCrop='True"}),
    "in a style": xmp(CROPPED).replace(
        b"</rdf:Description>", STYLE.format("HasCrop", "False").encode()
    ),
    "only in a style": xmp({}).replace(
        b"</rdf:Description>", STYLE.format("HasCrop", "False").encode()
    ),
    "a list of values": xmp(UNCROPPED, elements=True).replace(
        b"<crs:HasCrop>False", b"<crs:HasCrop><rdf:Alt><rdf:li>False</rdf:li></rdf:Alt>"
    ),
    "a value with a qualifier": xmp(UNCROPPED, elements=True).replace(
        b"<crs:HasCrop>False",
        b"<crs:HasCrop rdf:parseType='Resource'><rdf:value>False</rdf:value>",
    ),
    "a name that ExifTool takes for another": xmp({"hasCrop": "True", "cropTop": 0.1}),
    "a name with a dot": xmp(UNCROPPED | {"Has.Crop": "True"}),
    "a comment": xmp(UNCROPPED).replace(b"<rdf:RDF", b"<!-- no --><rdf:RDF"),
    "an instruction": b"<?xml version='1.0'?>" + xmp(UNCROPPED),
    "an end of a tag in a text": xmp(UNCROPPED | {"Name": "a > b"}),
    "broken": xmp(UNCROPPED)[:-8],
    "UTF-16": xmp(UNCROPPED).decode().encode("utf-16"),
    "an export of darktable": darktable_xmp({"History": [], "History_end": 0}),
    "both": xmp(UNCROPPED).replace(b"xmlns:tiff", b"xmlns:d='http://darktable.sf.net/' xmlns:tiff"),
    "another root": b"<a>" + xmp(UNCROPPED) + b"</a>",
}


def findings(folder: Path) -> dict[str, edited_photo.EditedPhoto | RejectedFile]:
    """What ExifTool finds in each photo."""
    entries = scan.scan(folder).entries
    with exiftool.tag_reader() as reader:
        return {
            entry.file: photo
            for entry, photo in zip(
                entries, edited_photo.read(folder, entries, reader), strict=True
            )
        }


def has_nothing(photo: edited_photo.EditedPhoto | RejectedFile) -> bool:
    return not isinstance(photo, RejectedFile) and not (
        photo.versions.cropped or photo.versions.overruled or photo.left_out or photo.passed_over
    )


@pytest.mark.parametrize("name", SURE)
def test_plain_xmp_without_a_crop_is_told_without_exiftool(tmp_path, name):
    assert is_surely_uncropped(save_photo(tmp_path / "a.jpg", SURE[name]))


@pytest.mark.parametrize("name", UNSURE)
def test_whatever_else_is_left_to_exiftool(tmp_path, name):
    assert not is_surely_uncropped(save_photo(tmp_path / "a.jpg", UNSURE[name]))


def test_two_packets_are_left_to_exiftool(tmp_path):
    content = save_photo(tmp_path / "a.jpg", SURE["attributes"]).read_bytes()
    start = content.index(b"\xff\xe1")
    end = start + 2 + int.from_bytes(content[start + 2 : start + 4])
    (tmp_path / "a.jpg").write_bytes(content[:end] + content[start:])
    assert not is_surely_uncropped(tmp_path / "a.jpg")


def test_exiftool_finds_nothing_where_no_crop_was_seen(tmp_path):
    """Sound packets, those of editors, and 300 mutated ones: the look alone would lose nothing."""
    chance = random.Random(5)
    packets = [*SURE.values(), *UNSURE.values()]
    sources = [*SURE.values(), *packets]  # twice as many of those that are told
    packets += [file.read_bytes() for file in sorted(SIDECARS.iterdir())]
    packets += [mutated(chance.choice(sources), "xmp", chance) for _ in range(300)]
    for number, packet in enumerate(packets):
        if len(packet) < 65_000:  # what a segment of a JPEG holds
            photo = save_photo(tmp_path / f"{number:03d}.jpg", packet)
            if not is_surely_uncropped(photo):
                photo.unlink()
    found = findings(tmp_path)
    assert [name for name, photo in found.items() if not has_nothing(photo)] == []
    assert len(found) > len(SURE)  # some of the mutated ones are told, too
