"""Which of several files counts that hold Lightroom's settings of one photo."""

import json

import pytest
from conftest import darktable_xmp, extract_params, picture, save_photo, scene, settings, xmp
from raw_files import BYTE, RATIONAL, SHORT, save_dng

from cropperhead.dataset import extract, inspect, preview
from cropperhead.dataset.ledger import Ledger, left_out_versions
from cropperhead.editors import darktable, darktable_history
from cropperhead.geometry.crops import Crop
from cropperhead.library import provenance, scan

EARLY, LATE = "2024-03-01T09:00:00+01:00", "2024-05-20T10:00:00+02:00"
NEW, OLD = settings(0.1), settings(0.4)  # by the top of the crop
UNCROPPED = {"HasCrop": "False"}


def packet(values, changed=None, toolkit=None, tool=None):
    """Camera Raw settings, with what tells who wrote them and when."""
    text = xmp(values).decode()
    own = 'xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    own += f' xmp:MetadataDate="{changed}"' if changed else ""
    own += f' xmp:CreatorTool="{tool}"' if tool else ""
    text = text.replace('rdf:about=""', f'rdf:about="" {own}')
    if toolkit:
        text = text.replace("<x:xmpmeta ", f'<x:xmpmeta x:xmptk="{toolkit}" ')
    return text.encode()


def read(folder, out, **params):
    """The outcomes by file, the tops of the crops by file and author, and what is passed over."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = extract_params(folder, **params)
    manifest = scan.manifest(scan.scan(folder).entries)
    ledger = Ledger.load(out / "ledger.parquet", "same")
    table = extract.update_shards(folder, manifest, out / "shards", ledger, chosen)
    rows = extract.shards.read_labels(out / "shards")
    tops = {(row.photo, row.author): round(row.crop_top, 3) for row in rows.itertuples()}
    left_out = [(one.file, one.kind) for one in left_out_versions(table)]
    return (
        dict(zip(*table.select(["file", "outcome"]).to_pydict().values(), strict=True)),
        tops,
        left_out,
    )


def top(folder, out):
    """The top of a.*'s crop, None for none; and the kinds of what is passed over."""
    _, tops, left_out = read(folder, out)
    return next(iter(tops.values()), None), [kind for _, kind in left_out]


@pytest.mark.parametrize("suffix", ["jpg", "tif", "JPEG"])
def test_a_packet_that_was_changed_later_counts_over_a_copy_beside_it(tmp_path, suffix):
    save_photo(tmp_path / "lib" / f"a.{suffix}", packet(NEW, LATE))
    (tmp_path / "lib" / f"a.{suffix}.xmp").write_bytes(packet(OLD, EARLY))
    assert top(tmp_path / "lib", tmp_path / "out") == (0.1, ["stale"])


def test_of_a_dng_too_the_packet_inside_counts(tmp_path):
    (tmp_path / "lib").mkdir()
    inside = packet(NEW, LATE)
    save_dng(tmp_path / "lib" / "a.dng", tags={700: (BYTE, inside)})
    (tmp_path / "lib" / "a.xmp").write_bytes(packet(OLD, EARLY))
    assert top(tmp_path / "lib", tmp_path / "out") == (0.1, ["stale"])


@pytest.mark.parametrize(
    ("beside", "counts"),
    [
        (packet(OLD, "2024-05-20T08:00:01Z"), 0.4),  # a second after LATE, in another zone
        (packet(OLD, "2024-05-20T07:59:59Z"), 0.1),
        (packet(OLD, "2024-05-21"), 0.4),
        (packet(OLD), 0.1),  # Lightroom dates what it writes
        (packet(OLD, "2024-06-01T10:00:00Z", toolkit="Adobe XMP Core 7.0-c000"), 0.4),
        (packet(OLD, "2024-06-01T10:00:00Z", tool="Adobe Lightroom 13.3"), 0.4),
        (packet(OLD, "2024-06-01T10:00:00Z", tool="Ver.1.01"), 0.4),  # a camera's
        (packet(OLD, "2024-06-01T10:00:00Z", toolkit="XMP Core 4.4.0-Exiv2"), 0.1),
        (packet(OLD, "2024-06-01T10:00:00Z", toolkit="Image::ExifTool 12.57"), 0.1),
        (packet(OLD, "2024-06-01T10:00:00Z", tool="digiKam-8.1.0"), 0.1),
    ],
)
def test_a_sidecar_of_a_jpeg_counts_if_it_is_later_and_no_copy(tmp_path, beside, counts):
    save_photo(tmp_path / "lib" / "a.jpg", packet(NEW, LATE))
    (tmp_path / "lib" / "a.xmp").write_bytes(beside)
    assert top(tmp_path / "lib", tmp_path / "out") == (counts, ["stale"])


def test_a_packet_without_a_date_is_not_lightroom_s_own(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", packet(OLD))
    (tmp_path / "lib" / "a.xmp").write_bytes(packet(NEW))
    assert top(tmp_path / "lib", tmp_path / "out") == (0.1, ["stale"])


def test_a_crop_that_was_removed_in_lightroom_is_not_taken_from_a_copy(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", packet(UNCROPPED, LATE))
    (tmp_path / "lib" / "a.jpg.xmp").write_bytes(packet(OLD, EARLY))
    outcomes, tops, left_out = read(tmp_path / "lib", tmp_path / "out")
    assert (outcomes, tops) == ({"a.jpg": "uncropped"}, {})
    assert left_out == [("a.jpg.xmp", "stale")]


def test_a_sidecar_that_cannot_be_read_costs_no_crop_within_the_photo(tmp_path):
    for name, content in (("a", b""), ("b", packet(OLD)[:-40]), ("c", b"no XMP")):
        save_photo(tmp_path / "lib" / f"{name}.jpg", packet(NEW, LATE), scene(ord(name)))
        (tmp_path / "lib" / f"{name}.xmp").write_bytes(content)
    outcomes, _, left_out = read(tmp_path / "lib", tmp_path / "out")
    assert set(outcomes.values()) == {"cropped"}
    kinds = [("a.xmp", "unreadable_sidecar"), ("b.xmp", "broken_xmp")]
    assert left_out == [*kinds, ("c.xmp", "unreadable_sidecar")]


def test_a_sidecar_that_cannot_be_read_may_hold_the_crop_of_a_raw_or_uncropped_photo(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", packet(UNCROPPED, LATE))
    (tmp_path / "lib" / "a.xmp").write_bytes(b"no XMP")
    save_dng(tmp_path / "lib" / "b.nef", tags={700: (BYTE, packet(NEW, LATE))})
    (tmp_path / "lib" / "b.xmp").write_bytes(b"no XMP")
    outcomes, _, _ = read(tmp_path / "lib", tmp_path / "out")
    assert set(outcomes.values()) == {"rejected"}


def test_a_copy_of_the_same_crop_is_not_stale(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", packet(NEW, LATE))
    (tmp_path / "lib" / "a.jpg.xmp").write_bytes(packet(NEW, EARLY))
    assert top(tmp_path / "lib", tmp_path / "out") == (0.1, [])


def test_a_packet_without_a_crop_leaves_the_sidecar_s(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", packet({"Exposure2012": "+0.5"}, LATE))
    (tmp_path / "lib" / "a.xmp").write_bytes(packet(OLD, EARLY))
    assert top(tmp_path / "lib", tmp_path / "out") == (0.4, [])


def test_of_other_formats_lightroom_s_own_sidecar_counts_unless_another_is_later(tmp_path):
    (tmp_path / "lib").mkdir()
    save_dng(tmp_path / "lib" / "a.nef")  # a DNG in all but name
    (tmp_path / "lib" / "a.xmp").write_bytes(packet(NEW, LATE))
    (tmp_path / "lib" / "a.nef.xmp").write_bytes(packet(OLD, EARLY))
    assert top(tmp_path / "lib", tmp_path / "out") == (0.1, ["stale"])
    (tmp_path / "lib" / "a.nef.xmp").write_bytes(packet(OLD, "2024-05-20T10:00:01+02:00"))
    assert top(tmp_path / "lib", tmp_path / "2") == (0.4, ["stale"])


def test_the_time_is_read_in_every_form_of_exiftool():
    def changed(text):
        return provenance.read_provenance({"XMP-xmp:MetadataDate": text}, "lightroom").changed

    assert changed("2024:05:20 10:00:00+02:00") == changed("2024:05:20 08:00:00Z")
    assert changed("2024:05:20 08:00:00.25") > changed("2024:05:20 08:00:00Z")
    assert changed("2024:05") is changed("soon") is changed("") is None


def crop_of(folder, name, derived_from=None, photo=None):
    """A darktable sidecar, which names its photo as `xmpMM:DerivedFrom`."""
    shade = len(list(folder.glob("*.jpg"))) if folder.exists() else 0
    if photo:
        save_photo(folder / photo, image=picture(90 + 2 * shade, 60))
    text = darktable_xmp(darktable.encode(Crop(0.2, 0.2, 0.8, 0.8, 0.0), 90, 60)).decode()
    named = f'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmpMM:DerivedFrom="{derived_from}"'
    text = text.replace('rdf:about=""', f'rdf:about="" {named}') if derived_from else text
    (folder / name).write_text(text)


def test_a_sidecar_that_names_a_photo_that_is_gone_is_no_duplicate(tmp_path):
    crop_of(tmp_path / "lib", "B_0042.jpg.xmp", "B_0042.jpg", photo="B_0042.jpg")
    crop_of(tmp_path / "lib", "B_0042_01.jpg.xmp", "B_0042_01.jpg")
    crop_of(tmp_path / "lib", "B_0042_02.jpg.xmp", "B_0042.jpg")
    crop_of(tmp_path / "lib", "B_0042_03.jpg.xmp")
    _, tops, left_out = read(tmp_path / "lib", tmp_path / "out")
    assert [author for _, author in tops] == ["duplicate 02", "duplicate 03", "photographer"]
    assert left_out == [("B_0042_01.jpg.xmp", "other_photo")]


def test_duplicates_that_were_renamed_with_their_photo_stay_its_duplicates(tmp_path):
    crop_of(tmp_path / "lib", "trip.jpg.xmp", "DSC_1.jpg", photo="trip.jpg")
    crop_of(tmp_path / "lib", "trip_01.jpg.xmp", "DSC_1.jpg")
    _, tops, left_out = read(tmp_path / "lib", tmp_path / "out")
    assert [author for _, author in tops] == ["duplicate 01", "photographer"]
    assert left_out == []


def test_an_uncropped_photo_beside_another_photo_s_sidecar_stays_uncropped(tmp_path):
    save_photo(tmp_path / "lib" / "B_1.jpg")
    crop_of(tmp_path / "lib", "B_1_01.jpg.xmp", "B_1_01.jpg")
    outcomes, tops, left_out = read(tmp_path / "lib", tmp_path / "out")
    assert (outcomes, tops) == ({"B_1.jpg": "uncropped"}, {})
    assert left_out == [("B_1_01.jpg.xmp", "other_photo")]


HASHES = 'darktable:history_auto_hash="{}" darktable:history_current_hash="{}"'


def with_hashes(file, automatic, current):
    hashes = HASHES.format(automatic, current)
    file.write_text(file.read_text().replace(" darktable:xmp", f" {hashes} darktable:xmp", 1))


def test_a_crop_that_darktable_applied_by_itself_is_automatic(tmp_path):
    crop_of(tmp_path / "lib", "a.jpg.xmp", photo="a.jpg")
    with_hashes(tmp_path / "lib" / "a.jpg.xmp", "1f" * 16, "1f" * 16)
    crop_of(tmp_path / "lib", "b.jpg.xmp", photo="b.jpg")
    with_hashes(tmp_path / "lib" / "b.jpg.xmp", "1f" * 16, "2e" * 16)
    outcomes, tops, _ = read(tmp_path / "lib", tmp_path / "out")
    assert outcomes == {"a.jpg": "automatic", "b.jpg": "cropped"}
    assert tops == {("b.jpg", "photographer"): 0.2}
    outcomes, tops, _ = read(tmp_path / "lib", tmp_path / "kept", automatic="keep")
    assert outcomes == {"a.jpg": "cropped", "b.jpg": "cropped"}
    assert len(tops) == 2


def test_an_automatic_crop_next_to_a_person_s_is_listed(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", packet(NEW, LATE))
    crop_of(tmp_path / "lib", "a.jpg.xmp")
    with_hashes(tmp_path / "lib" / "a.jpg.xmp", "1f" * 16, "1f" * 16)
    outcomes, tops, left_out = read(tmp_path / "lib", tmp_path / "out")
    assert (outcomes, tops) == ({"a.jpg": "cropped"}, {("a.jpg", "photographer"): 0.1})
    assert left_out == [("a.jpg.xmp", "automatic")]


FRAMING = {51125: (RATIONAL, [2, 10, 1, 10, 8, 10, 9, 10])}  # top, left, bottom, right


@pytest.mark.parametrize(
    ("crop", "outcome"),
    [
        (settings(0.2, 0.1, 0.8, 0.9), "automatic"),
        (settings(0.2, 0.1, 0.8, 0.85), "cropped"),  # 60 px of 1200 off
        (settings(0.2, 0.1, 0.8, 0.9, angle=1), "cropped"),
    ],
)
def test_a_crop_that_is_the_camera_s_own_framing_is_automatic(tmp_path, crop, outcome):
    (tmp_path / "lib").mkdir()
    save_dng(tmp_path / "lib" / "a.dng", raw_tags=FRAMING)
    (tmp_path / "lib" / "a.xmp").write_bytes(packet(crop, LATE))
    outcomes, _, _ = read(tmp_path / "lib", tmp_path / "out")
    assert outcomes == {"a.dng": outcome}


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [
        # left, top, right, bottom as displayed: as the camera says of the stored frame, unturned
        ((0.1, 0.2, 0.9, 0.8), "automatic"),
        # what is stored from left to right is displayed from top to bottom
        ((0.2, 0.1, 0.8, 0.9), "automatic"),
        ((0.1, 0.2, 0.9, 0.75), "cropped"),
    ],
)
def test_darktable_does_not_turn_the_camera_s_framing_with_the_photo(tmp_path, limits, outcome):
    (tmp_path / "lib").mkdir()
    save_dng(tmp_path / "lib" / "a.dng", tags={274: (SHORT, [6])}, raw_tags=FRAMING)
    step = darktable_history.make_entry("crop", *limits, 0, 0)
    made = darktable_xmp(darktable_history.make_settings([step]))
    (tmp_path / "lib" / "a.dng.xmp").write_bytes(made)
    outcomes, _, _ = read(tmp_path / "lib", tmp_path / "out")
    assert outcomes == {"a.dng": outcome}


def test_the_counts_of_a_run_name_automatic_and_stale_crops(tmp_path):
    crop_of(tmp_path / "lib", "a.jpg.xmp", photo="a.jpg")
    with_hashes(tmp_path / "lib" / "a.jpg.xmp", "1f" * 16, "1f" * 16)
    save_photo(tmp_path / "lib" / "b.jpg", packet(UNCROPPED, LATE))
    (tmp_path / "lib" / "b.xmp").write_bytes(packet(OLD, EARLY))
    chosen = extract_params(tmp_path / "lib")
    entries = scan.scan(tmp_path / "lib").entries
    lines = str(preview.preview(tmp_path / "lib", entries, chosen)).splitlines()
    assert "        1 cropped by the camera or a preset alone" in lines
    assert "        1 crop that does not count, of photos that are read" in lines
    extract.extract_into(tmp_path / "out", tmp_path / "lib", entries, chosen)
    counts = json.loads((tmp_path / "out" / "extract.json").read_text())
    assert (counts["automatic"], counts["versions_left_out"]) == (1, {"stale": 1})
    rejected = (tmp_path / "out" / "rejected.csv").read_text()
    assert "b.xmp,stale: lightroom sidecar holds an earlier crop; b.jpg counts" in rejected


def test_inspect_says_what_does_not_count(tmp_path):
    crop_of(tmp_path, "a.jpg.xmp", photo="a.jpg")
    with_hashes(tmp_path / "a.jpg.xmp", "1f" * 16, "1f" * 16)
    save_photo(tmp_path / "b.jpg", packet(UNCROPPED, LATE))
    (tmp_path / "b.xmp").write_bytes(packet(OLD, EARLY))
    files = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    found = inspect.read_photos(files, extract_params(tmp_path), (), pictures=False)
    texts = [inspect.describe(file, photo) for file, photo in found]
    assert texts[0].endswith("a.jpg\n  has only a crop that nobody made")
    assert texts[1].endswith(
        "b.jpg\n  not cropped\n  left out: b.xmp: stale: lightroom sidecar holds an earlier crop; "
        "b.jpg counts"
    )


SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"
WITHOUT_LEFT = {name: value for name, value in settings(0.3).items() if name != "CropLeft"}
# A packet of its own counts alone: what it lacks is not taken from another
PACKETS = {
    "two crops": ([xmp(OLD), xmp(NEW)], 0.1),
    "in another order": ([xmp(NEW), xmp(OLD)], 0.4),
    "the last is not cropped": ([xmp(NEW), xmp(UNCROPPED)], None),
    "the first is not cropped": ([xmp(UNCROPPED), xmp(NEW)], 0.1),
    "one of another program's": ([xmp(NEW), packet({})], 0.1),
    "in the other order": ([packet({}), xmp(NEW)], 0.1),
}


def save_jpeg(file, packets):
    save_photo(file)
    content = file.read_bytes()
    parts = [SIGNATURE + one for one in packets]
    inserted = b"".join(b"\xff\xe1" + (len(one) + 2).to_bytes(2) + one for one in parts)
    file.write_bytes(content[:2] + inserted + content[2:])


def save_tiff(file, packets):
    """The last packet in the first directory, which counts in a TIFF."""
    pages = [picture(shade=place) for place, _ in enumerate(packets)]
    for page, one in zip(pages, reversed(packets), strict=True):
        page.encoderinfo = {"tiffinfo": {700: one}}
    pages[0].save(file, save_all=True, append_images=pages[1:], tiffinfo={700: packets[-1]})


@pytest.mark.parametrize(("packets", "top"), PACKETS.values(), ids=PACKETS)
@pytest.mark.parametrize(("name", "save"), [("a.jpg", save_jpeg), ("a.tif", save_tiff)])
def test_of_several_packets_one_counts_alone(tmp_path, name, save, packets, top):
    (tmp_path / "lib").mkdir()
    save(tmp_path / "lib" / name, packets)
    _, tops, _ = read(tmp_path / "lib", tmp_path / "out")
    assert tops == ({} if top is None else {(name, "photographer"): top})


def rejection(file):
    [(_, error)] = inspect.read_photos([file], extract_params(file.parent), [], pictures=False)
    return error


def test_a_packet_that_lacks_a_limit_gets_none_from_another(tmp_path):
    save_jpeg(tmp_path / "a.jpg", [xmp(NEW), xmp(WITHOUT_LEFT)])
    assert rejection(tmp_path / "a.jpg").kind == "incomplete"


def test_several_packets_in_another_format_are_rejected(tmp_path):
    file = save_photo(tmp_path / "lib" / "a.png", xmp(OLD))
    chunk = save_photo(tmp_path / "b.png", xmp(NEW)).read_bytes()
    start = chunk.index(b"iTXt") - 4
    length = int.from_bytes(chunk[start : start + 4]) + 12
    content, place = file.read_bytes(), file.read_bytes().index(b"iTXt") - 4
    file.write_bytes(content[:place] + chunk[start : start + length] + content[place:])
    assert rejection(file).kind == "several_packets"


EXIV2, ADOBE = "XMP Core 4.4.0-Exiv2", "Adobe XMP Core 7.0-c000"
BETWEEN = "2024:04:01 12:00:00"  # after EARLY and before LATE


@pytest.mark.parametrize(
    ("software", "modified", "changed", "toolkit", "counts"),
    [
        ("darktable 4.2.1", BETWEEN, EARLY, EXIV2, False),
        ("RawTherapee 5.11", BETWEEN, EARLY, EXIV2, False),
        ("GIMP 2.10.34", BETWEEN, EARLY, ADOBE, False),
        ("darktable 4.2.1", BETWEEN, LATE, ADOBE, True),  # cropped in Lightroom afterwards
        ("darktable 4.2.1", "2024:05:20 10:00:00", LATE, ADOBE, True),  # at the same time
        ("darktable 4.2.1", None, EARLY, EXIV2, False),
        ("darktable 4.2.1", BETWEEN, None, EXIV2, False),
        ("darktable 4.2.1", BETWEEN, None, ADOBE, True),
        ("darktable 4.2.1", BETWEEN, None, None, True),
        ("Adobe Photoshop Lightroom Classic 13.0", BETWEEN, EARLY, ADOBE, True),
        ("Ver.1.10", BETWEEN, EARLY, ADOBE, True),  # a camera's
        ("digiKam-7.9.0", BETWEEN, EARLY, EXIV2, True),  # it signs what it only describes
        (None, BETWEEN, EARLY, EXIV2, True),
    ],
)
def test_settings_that_a_program_copied_into_the_picture_that_it_made_do_not_count(
    tmp_path, software, modified, changed, toolkit, counts
):
    exif = {0x0131: software, 0x0132: modified}
    save_photo(
        tmp_path / "lib" / "a.jpg",
        packet(NEW, changed, toolkit),
        exif={tag: value for tag, value in exif.items() if value},
    )
    outcomes, tops, _ = read(tmp_path / "lib", tmp_path / "out")
    assert outcomes == {"a.jpg": "cropped" if counts else "rejected"}
    assert list(tops.values()) == ([0.1] if counts else [])


def test_a_person_s_crop_of_a_picture_with_copied_settings_counts(tmp_path):
    exif = {0x0131: "darktable 4.2.1", 0x0132: BETWEEN}
    save_photo(tmp_path / "lib" / "a.jpg", packet(NEW, EARLY, EXIV2), exif=exif)
    crop = darktable.encode(Crop(0.3, 0.2, 0.8, 0.9, 0.0), 90, 60)
    (tmp_path / "lib" / "a.jpg.xmp").write_bytes(darktable_xmp(crop))
    assert top(tmp_path / "lib", tmp_path / "out") == (0.3, ["copied"])


def test_a_picture_that_was_made_of_an_uncropped_photo_is_uncropped(tmp_path):
    exif = {0x0131: "darktable 4.2.1", 0x0132: BETWEEN}
    save_photo(tmp_path / "lib" / "a.jpg", packet(UNCROPPED, EARLY, EXIV2), exif=exif)
    assert read(tmp_path / "lib", tmp_path / "out")[0] == {"a.jpg": "uncropped"}


@pytest.mark.parametrize(
    ("step", "toolkit", "counts"),
    [
        ("&lt;filter filterName='transform:crop'/&gt;", EXIV2, False),
        ("&lt;filter filterName='transform:crop'/&gt;", ADOBE, True),  # cropped in Lightroom since
        ("", EXIV2, True),
    ],
)
def test_settings_in_a_picture_that_digikam_has_edited_are_those_of_its_original(
    tmp_path, step, toolkit, counts
):
    history = f'digiKam:ImageHistory="&lt;history&gt;{step}&lt;/history&gt;"'
    own = f'xmlns:digiKam="http://www.digikam.org/ns/1.0/" {history} rdf:about'
    edited = packet(NEW, EARLY, toolkit).replace(b"rdf:about", own.encode())
    save_photo(tmp_path / "lib" / "a_v1.jpg", edited, exif={0x0131: "digiKam-8.2.0"})
    outcomes, _, _ = read(tmp_path / "lib", tmp_path / "out")
    assert outcomes == {"a_v1.jpg": "cropped" if counts else "rejected"}
