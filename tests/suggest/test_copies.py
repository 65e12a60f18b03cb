"""The metadata of cropped copies: what is true of the copy, and nothing that was cropped off."""

import base64
import io
import json
import subprocess
from dataclasses import astuple

import numpy as np
import pytest
from conftest import picture, save_photo
from heif_files import save_heif
from PIL import Image, ImageChops, ImageCms, ImageStat
from PIL.PngImagePlugin import PngInfo
from raw_files import save_dng

from cropperhead.api import Crop
from cropperhead.errors import RejectedFile
from cropperhead.geometry.crops import Rectangle
from cropperhead.suggest import copies
from cropperhead.suggest.copies import cropped_copy
from cropperhead.suggest.options import CopySettings
from cropperhead.suggest.reframing import Reframing

# Of 300 x 200 px it keeps x from 60 to 240 and y from 20 to 180: 180 x 160
CROP = Crop(0.1, 0.2, 0.9, 0.8, 0, 0.9)
WHOLE = io.BytesIO()
picture(30, 20).save(WHOLE, "JPEG")
PREVIEW = WHOLE.getvalue()  # a small picture of the whole photo
SOI, SOI_IN_BASE64 = b"\xff\xd8\xff", b"/9j/"
KEPT = {
    "IFD0:Make": "Maker",
    "IFD0:Artist": "A. Name",
    "IFD0:ImageDescription": "A caption",
    "IFD0:Copyright": "of A. Name",
    "IFD0:Rating": 4,
    "ExifIFD:DateTimeOriginal": "2024:05:06 07:08:09",
    "ExifIFD:ExposureTime": 0.004,
    "ExifIFD:LensModel": "A lens",
    "ExifIFD:SerialNumber": "A123456",
    "XMP-dc:Subject": ["one", "two"],
    "XMP-dc:Description": "A caption",
    "XMP-dc:Rights": "of A. Name",
    "XMP-xmp:Rating": 4,
    "XMP-aux:Lens": "A lens",
    "XMP-lr:HierarchicalSubject": ["a|one"],
    "XMP-photoshop:Headline": "A headline",
    "XMP-iptcExt:PersonInImage": ["B. Name"],
    "IPTC:Keywords": ["one", "two"],
    "IPTC:Caption-Abstract": "A caption",
    "Photoshop:CopyrightFlag": 1,
}
LOCATION = {
    "GPS:GPSLatitude": 48.5,
    "GPS:GPSLatitudeRef": "N",
    "XMP-exif:GPSLongitude": 9.5,
    "XMP-photoshop:City": "A city",
    "XMP-photoshop:Country": "A country",
    "XMP-iptcCore:Location": "A street",
    "XMP-iptcExt:LocationShownCity": ["A city"],
    "XMP-dc:Coverage": "A place",
    "IPTC:City": "A city",
    "IPTC:Sub-location": "A street",
    "IPTC:Country-PrimaryLocationName": "A country",
}
# What shows the whole photo, or points into its frame
DROPPED = {
    "XMP-crs:HasCrop": True,
    "XMP-crs:CropTop": 0.1,
    "XMP-crs:PerspectiveVertical": 10,
    "XMP-crs:LensManualDistortionAmount": 10,
    "XMP-crs:RawFileName": "a.raw",
    "XMP-xmpMM:HistoryAction": "saved",
    "XMP-photoshop:LegacyIPTCDigest": "0123456789ABCDEF0123456789ABCDEF",
    "XMP-GPano:FullPanoWidthPixels": 300,
    "XMP-GDepth:Far": 3.5,
    "XMP-GCamera:MicroVideoOffset": 300,
    "XMP-exif:SubjectArea": 150,
    "XMP-iptcExt:ImageRegionName": "B. Name",
    "XMP-dc:Format": "image/heic",
    "IPTC:ImageOrientation": "L",
    "Photoshop:URL_List": [],
    "ExifIFD:FocalPlaneXResolution": 3000,
    "ExifIFD:ImageUniqueID": "0123456789ABCDEF0123456789ABCDEF",
}
DROPPED.pop("Photoshop:URL_List")
PREVIEWS = ("Photoshop:PhotoshopThumbnail", "IFD1:ThumbnailImage", "IPTC:ObjectPreviewData")
XMP_PREVIEWS = ("XMP-xmp:ThumbnailsImage", "XMP-xmp:PageInfoImage", "XMP-GImage:ImageData")


def exiftool(*arguments):
    done = subprocess.run(["exiftool", *map(str, arguments)], capture_output=True, check=True)
    return done.stdout


def write_tags(file, values):
    """Writes tags by ExifTool, and all previews that it can write into this format."""
    whole = file.with_name("whole.preview")
    whole.write_bytes(PREVIEW)
    listed = [
        f"-{tag}={item}"
        for tag, value in values.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    previews = PREVIEWS + XMP_PREVIEWS if file.suffix == ".jpg" else XMP_PREVIEWS
    embedded = [f"-{tag}<={whole}" for tag in previews]
    exiftool("-q", "-m", "-n", "-overwrite_original", *listed, *embedded, file)
    whole.unlink()


def tags_of(file):
    [tags] = json.loads(exiftool("-j", "-n", "-G1", "-a", "-struct", file))
    return tags


def flat_tags_of(file):
    [tags] = json.loads(exiftool("-j", "-n", "-G1", "-a", file))
    return tags


def as_list(value):
    return value if isinstance(value, list) else [value]


def can_hold(suffix, tag):
    """Whether copies of this format hold a tag: the others have these texts in XMP."""
    group = tag.partition(":")[0]
    return (
        suffix == ".jpg"
        or group not in {"IPTC", "Photoshop"}
        or (suffix, group) == (".tif", "IPTC")
    )


def copy_of(file, settings=CopySettings(), crop=CROP, shown_as=None):  # noqa: B008 - frozen
    copy = file.with_name("copy" + (file.suffix if file.suffix in FORMATS else ".jpg"))
    copy.write_bytes(cropped_copy(file, crop, shown_as, settings))
    return copy


FORMATS = (".jpg", ".png", ".tif", ".webp")


@pytest.fixture(params=FORMATS)
def photo(request, tmp_path):
    """A photo with all that was listed above, as far as its format can hold it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = tmp_path / f"a{request.param}"
    picture(300, 200).save(file, icc_profile=profile)
    write_tags(file, KEPT | LOCATION | DROPPED)
    return file


def test_a_copy_keeps_what_is_true_of_it_and_shows_nothing_that_was_cropped_off(photo):
    before, copy = flat_tags_of(photo), copy_of(photo)
    after = flat_tags_of(copy)
    for tag, value in (KEPT | LOCATION).items():
        if tag in before and can_hold(photo.suffix, tag):
            assert as_list(after[tag]) == as_list(value), tag
    assert not set(DROPPED) & set(after)
    assert set(DROPPED) & set(before)
    assert not [tag for tag in after if "Thumbnail" in tag or "Preview" in tag or "PageInfo" in tag]
    content = copy.read_bytes()
    assert content.count(SOI) == (photo.suffix == ".jpg")
    assert SOI_IN_BASE64 not in content
    assert SOI_IN_BASE64 in photo.read_bytes()
    assert before["ICC_Profile:ProfileDescription"] == after["ICC_Profile:ProfileDescription"]


def test_without_location_a_copy_does_not_say_where_it_was_taken(photo):
    before = flat_tags_of(photo)
    after = flat_tags_of(copy_of(photo, CopySettings(strip_location=True)))
    assert not set(LOCATION) & set(after)
    assert not [tag for tag in after if "GPS" in tag]
    for tag, value in KEPT.items():
        if tag in before and can_hold(photo.suffix, tag):
            assert as_list(after[tag]) == as_list(value), tag


def test_without_all_metadata_only_the_profile_remains(photo):
    after = flat_tags_of(copy_of(photo, CopySettings(strip_all=True)))
    groups = {tag.partition(":")[0] for tag in after} - {"SourceFile"}
    of_the_format = {"ExifTool", "System", "File", "JFIF", "PNG", "RIFF", "Composite"}
    if photo.suffix == ".tif":
        assert {tag for tag in after if tag.startswith("IFD0:")} <= {
            f"IFD0:{name}" for name in TIFF_STRUCTURE.split()
        }
        of_the_format |= {"IFD0"}
    assert groups - of_the_format == {"ICC-header", "ICC_Profile", "ICC-chrm"}
    assert b"Name" not in copy_of(photo, CopySettings(strip_all=True)).read_bytes()


TIFF_STRUCTURE = (
    "ImageWidth ImageHeight BitsPerSample Compression PhotometricInterpretation StripOffsets "
    "SamplesPerPixel RowsPerStrip StripByteCounts PlanarConfiguration SubfileType FillOrder "
    "Predictor SampleFormat"
)


TURNS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
@pytest.mark.parametrize(("container", "exif"), [(6, 1), (8, 6), (3, 3)])
def test_a_copy_of_an_heic_is_upright_by_its_container_and_keeps_what_is_true(
    tmp_path, suffix, container, exif
):
    shown = picture(300, 200).transpose(TURNS[container])
    file = save_heif(tmp_path / f"a{suffix}", container, exif, picture(300, 200))
    kept = {"IFD0:Artist": "A person", "XMP-dc:Title": "A title", "ExifIFD:ISO": 200}
    gone = {"XMP-crs:HasCrop": True, "XMP-crs:CropTop": 0.1}
    place = {"GPS:GPSLatitude": 48.5, "GPS:GPSLatitudeRef": "N"}
    write_tags(file, kept | gone | place)
    crop = Crop(0.0, 0.0, 0.5, 1.0, 0.0, 1.0)  # the upper half, as displayed
    copy = copy_of(file, crop=crop)
    tags = tags_of(copy)
    assert copy.suffix == ".jpg"
    assert {name: tags.get(name) for name in kept} == kept
    assert tags["GPS:GPSLatitude"] == pytest.approx(48.5)
    assert not [tag for tag in tags if tag.startswith("XMP-crs:Crop")]
    assert tags.get("IFD0:Orientation", 1) == 1
    width, height = shown.size
    with Image.open(copy) as image:
        assert image.size == (width, height // 2)
        expected = shown.crop((0, 0, width, height // 2))
        difference = ImageChops.difference(image.convert("RGB"), expected.convert("RGB"))
    # of 255, after two lossy formats; another turn would be some 60 off
    assert ImageStat.Stat(difference).mean == pytest.approx([0, 0, 0], abs=12)
    bare = tags_of(copy_of(file, CopySettings(strip_all=True), crop))
    assert not [tag for tag in bare if tag.startswith(("XMP", "GPS", "ExifIFD", "IFD0:Artist"))]


def test_pictures_that_follow_a_jpeg_are_not_copied(tmp_path):
    file = tmp_path / "a.jpg"
    views = [picture(300, 200), picture(300, 200)]
    views[0].save(file, "MPO", save_all=True, append_images=views[1:])
    file.write_bytes(file.read_bytes() + b"ftypmp42" + PREVIEW)
    assert file.read_bytes().count(SOI) == 3
    copy = copy_of(file)
    assert copy.read_bytes().count(SOI) == 1
    assert not [tag for tag in tags_of(copy) if tag.startswith(("MPF", "Trailer"))]


def test_a_maker_s_notes_and_own_segments_of_a_jpeg_are_not_copied(tmp_path):
    file, tags = tmp_path / "a.jpg", Image.Exif()
    tags.get_ifd(0x8769)[0x927C] = b"Maker\0\0\0" + PREVIEW
    picture(300, 200).save(file, exif=tags)
    content, segment = file.read_bytes(), (len(PREVIEW) + 2).to_bytes(2, "big") + PREVIEW
    segments = b"".join(b"\xff" + bytes([0xE3 + number]) + segment for number in range(9))
    file.write_bytes(content[:2] + segments + content[2:])
    assert file.read_bytes().count(SOI) == 11
    assert copy_of(file).read_bytes().count(SOI) == 1


def test_layers_and_further_pages_of_a_tiff_are_not_copied(tmp_path):
    file = tmp_path / "a.tif"
    layers = {0x935C: b"Adobe Photoshop Document Data Block\0" + PREVIEW, 0x8649: b"8BIM" + PREVIEW}
    pages = [picture(300, 200), picture(30, 20)]
    pages[0].save(file, save_all=True, append_images=pages[1:], tiffinfo=layers)
    copy = copy_of(file)
    assert SOI not in copy.read_bytes()
    with Image.open(copy) as image:
        assert (image.n_frames, image.size) == (1, (180, 160))


def test_text_chunks_and_thumbnails_of_other_formats_are_not_copied(tmp_path):
    text = PngInfo()
    text.add_text("Raw profile type APP1", base64.b64encode(PREVIEW).decode(), zip=True)
    text.add_text("Thumb::Image", base64.b64encode(PREVIEW).decode())
    picture(300, 200).save(tmp_path / "a.png", pnginfo=text)
    assert {name for name in tags_of(copy_of(tmp_path / "a.png")) if name.startswith("PNG:")} == {
        *("PNG:ImageWidth", "PNG:ImageHeight", "PNG:BitDepth", "PNG:ColorType"),
        *("PNG:Compression", "PNG:Filter", "PNG:Interlace"),
    }


def test_sizes_and_places_in_a_copy_are_its_own(tmp_path):
    file = save_photo(tmp_path / "a.jpg", image=picture(300, 200))
    sizes = {"ExifIFD:ExifImageWidth": 300, "ExifIFD:ExifImageHeight": 200}
    sizes |= {"XMP-tiff:ImageWidth": 300, "XMP-exif:ExifImageHeight": 200}
    places = {"ExifIFD:SubjectArea": "150 100 60 40", "ExifIFD:SubjectLocation": "90 50"}
    write_tags(file, sizes | places)
    after = flat_tags_of(copy_of(file))
    assert after["ExifIFD:ExifImageWidth"] == after["XMP-tiff:ImageWidth"] == 180
    assert after["ExifIFD:ExifImageHeight"] == after["XMP-exif:ExifImageHeight"] == 160
    # 60 px to the left and 20 px above were cropped off
    assert after["ExifIFD:SubjectArea"] == "90 80 60 40"
    assert after["ExifIFD:SubjectLocation"] == "30 30"


@pytest.mark.parametrize("suffix", FORMATS)
def test_faces_move_with_the_crop_and_those_outside_are_dropped(tmp_path, suffix):
    file = save_photo(tmp_path / f"a{suffix}", image=picture(300, 200))
    inside = "Area={X=0.5,Y=0.5,W=0.2,H=0.2,Unit=normalized},Name=B. Name,Type=Face"
    outside = "Area={X=0.1,Y=0.5,W=0.1,H=0.2,Unit=normalized},Name=C. Name,Type=Face"
    regions = (
        "-XMP-mwg-rs:RegionInfo={AppliedToDimensions={W=300,H=200,Unit=pixel},"
        f"RegionList=[{{{inside}}},{{{outside}}}]}}"
    )
    people = (
        "-XMP-MP:RegionInfoMP={Regions=[{Rectangle=0.4|, 0.4|, 0.2|, 0.2,"
        "PersonDisplayName=B. Name},{Rectangle=0.05|, 0.4|, 0.1|, 0.2,PersonDisplayName=C. Name}]}"
    )
    exiftool("-q", "-overwrite_original", regions, people, file)
    tags = tags_of(copy_of(file))
    info = tags["XMP-mwg-rs:RegionInfo"]
    assert info["AppliedToDimensions"] == {"W": 180, "H": 160, "Unit": "pixel"}
    [region] = info["RegionList"]
    assert (region["Name"], region["Type"]) == ("B. Name", "Face")
    # 60 x 40 px around (150, 100), now around (90, 80) of 180 x 160
    area = [region["Area"][name] for name in ("X", "Y", "W", "H")]
    assert area == pytest.approx([90 / 180, 80 / 160, 60 / 180, 40 / 160], abs=1e-6)
    [person] = tags["XMP-MP:RegionInfoMP"]["Regions"]
    assert person["PersonDisplayName"] == "B. Name"
    box = [float(number) for number in person["Rectangle"].split(",")]
    assert box == pytest.approx([60 / 180, 60 / 160, 60 / 180, 40 / 160], abs=1e-6)


def test_regions_that_were_measured_in_a_frame_of_another_shape_are_dropped(tmp_path):
    file = save_photo(tmp_path / "a.jpg", image=picture(300, 200))
    area = "Area={X=0.5,Y=0.5,W=0.2,H=0.2,Unit=normalized}"
    size = "AppliedToDimensions={W=200,H=300,Unit=pixel}"
    regions = f"-XMP-mwg-rs:RegionInfo={{{size},RegionList=[{{{area},Name=B. Name}}]}}"
    exiftool("-q", "-overwrite_original", regions, file)
    assert not [tag for tag in tags_of(copy_of(file)) if tag.startswith("XMP-mwg-rs")]


def test_a_place_is_turned_with_the_photo_and_straightened_with_the_crop():
    # Shown by orientation 6, the left of 300 x 200 is the top of 200 x 300: (60, 50) is at
    # (200 - 50, 60), and the sides are swapped
    turned = Reframing((300, 200), 6, Crop(0.1, 0.5, 0.9, 1, 0, 1), (100, 240))
    assert turned.moved(Rectangle(60, 50, 40, 20, 0)) == Rectangle(50, 30, 20, 40, 0)
    # A crop of 200 x 200 around the middle of 400 x 400, turned by 30 degrees: what is 50 px from
    # the middle along its own lower edge's direction is 50 px to the right in the copy
    tilted = Reframing((400, 400), 1, Crop(0.25, 0.25, 0.75, 0.75, 30, 1), (200, 200))
    across = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    moved = tilted.moved(Rectangle(*(200 + 50 * across), 20, 20, 0))
    assert moved is not None
    assert (moved.centre_x, moved.centre_y) == pytest.approx((150, 100))
    # a square of 20, turned by 30 degrees, is 20 (cos 30 + sin 30) wide
    side = 20 * (0.8660254 + 0.5)
    assert (moved.width, moved.height) == pytest.approx((side, side))


def test_a_face_on_the_edge_is_cut_off_there_and_one_beyond_it_is_dropped():
    frame = Reframing((300, 200), 1, CROP, (180, 160))
    # from x = 50 to 90, of which 60 to 90 are left
    moved = frame.moved(Rectangle(70, 100, 40, 40, 0))
    assert moved is not None
    assert astuple(moved) == pytest.approx((15, 80, 30, 40, 0))
    assert frame.moved(Rectangle(50, 100, 40, 40, 0)) is None


def test_adobe_rgb_without_a_profile_stays_adobe_rgb_without_metadata(tmp_path):
    tags = {"ExifIFD:ColorSpace": 65535, "InteropIFD:InteropIndex": "R03", "IFD0:Artist": "A. Name"}
    file = save_photo(tmp_path / "a.jpg", image=picture(300, 200))
    write_tags(file, tags)
    after = tags_of(copy_of(file, CopySettings(strip_all=True)))
    assert after["InteropIFD:InteropIndex"] == "R03"
    assert after["ExifIFD:ColorSpace"] == 65535
    assert "IFD0:Artist" not in after


def test_a_copy_of_a_raw_photo_is_said_to_be_in_srgb_and_can_be_stripped(tmp_path):
    raw = save_dng(tmp_path / "a.dng")
    tags = {"ExifIFD:ColorSpace": 65535, "InteropIFD:InteropIndex": "R03", "IFD0:Artist": "A. Name"}
    write_tags(raw, tags | {"GPS:GPSLatitude": 48.5, "ExifIFD:SubjectArea": "150 100"})
    after = tags_of(copy_of(raw))
    assert (after["ExifIFD:ColorSpace"], after["IFD0:Artist"]) == (1, "A. Name")
    assert after["GPS:GPSLatitude"] == 48.5
    assert not {"InteropIFD:InteropIndex", "ExifIFD:SubjectArea"} & set(after)
    assert "GPS:GPSLatitude" not in tags_of(copy_of(raw, CopySettings(strip_location=True)))
    assert "IFD0:Artist" not in tags_of(copy_of(raw, CopySettings(strip_all=True)))


def test_settings_of_tone_stay_and_those_of_places_go(tmp_path):
    tone = {"XMP-crs:Exposure2012": 0.5, "XMP-crs:ConvertToGrayscale": True}
    places = {"XMP-crs:CropAngle": 3, "XMP-crs:UprightVersion": 1, "XMP-crs:VignetteAmount": 9}
    mask = {"XMP-crs:GradientBasedCorrMaskZeroX": 0.3, "XMP-crs:RetouchInfo": "centerX = 0.5"}
    file = save_photo(tmp_path / "a.jpg", image=picture(300, 200))
    write_tags(file, tone | places | mask)
    after = flat_tags_of(copy_of(file))
    settings = {tag: value for tag, value in after.items() if tag.startswith("XMP-crs:")}
    assert settings == tone


def test_broken_xmp_and_damaged_iptc_leave_the_rest(tmp_path):
    file = save_photo(tmp_path / "a.jpg", b"<x:xmpmeta", picture(300, 200), {0x010F: "Maker"})
    content = file.read_bytes()
    records = b"\x1c\x02\x69\x00\x04Head" + b"\x1c\x02\x78\x40\x00short"  # a headline, then damage
    block = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(records).to_bytes(4, "big") + records
    segment = b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block
    file.write_bytes(content[:2] + segment + content[2:])
    after = tags_of(copy_of(file))
    assert after["IFD0:Make"] == "Maker"
    assert after["IPTC:Headline"] == "Head"
    assert "IPTC:Caption-Abstract" not in after


def test_a_photo_that_is_too_large_to_be_cut_out_whole_is_refused(tmp_path, monkeypatch):
    file = save_photo(tmp_path / "a.jpg", image=picture(100, 60))
    crop = Crop(0.1, 0.1, 0.9, 0.9, 0.0, confidence=1.0)
    monkeypatch.setattr(copies, "_MOST_MEGAPIXELS", 0.006)  # its own 100 x 60 px
    assert cropped_copy(file, crop, None, CopySettings())
    monkeypatch.setattr(copies, "_MOST_MEGAPIXELS", 0.005)
    with pytest.raises(
        RejectedFile, match=r"100 x 60 px, expected at most 0\.005 megapixels for a"
    ):
        cropped_copy(file, crop, None, CopySettings())
