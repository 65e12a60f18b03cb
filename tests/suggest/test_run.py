"""The command `suggest`, from photos to sidecars, copies and sheets."""

import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from conftest import KERAS_WARNINGS, ROOT, darktable_xmp, picture, save_photo, settings, xmp
from PIL import Image, ImageCms
from raw_files import ASCII, SHORT, save_dng
from tqdm import tqdm

import cropperhead
from cropperhead import api
from cropperhead.cli.main import main
from cropperhead.editors import darktable
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, scan
from cropperhead.photos import exiftool
from cropperhead.photos import image as photos
from cropperhead.suggest import deliver, predict
from cropperhead.suggest.options import SuggestLog, SuggestOptions
from cropperhead.system import folder_lock

pytestmark = [KERAS_WARNINGS, pytest.mark.usefixtures("one_process")]

ORIENTATION, MAKE, XRES = 0x0112, 0x010F, 0x011A
LIMITS = ("top", "left", "bottom", "right", "angle")


def noise(seed, width=300, height=200):
    """A picture unlike any other, of stripes that lean by an angle of its own."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    slope = math.tan(math.radians(generator.uniform(-8, 8)))
    stripes = 127 + 100 * np.sin((y + slope * x) / generator.uniform(3, 9))
    pixels = stripes[..., None] * generator.uniform(0.4, 1, 3)
    return Image.fromarray(pixels.astype(np.uint8))


def run(capsys, model, *arguments):
    """The exit status and what was printed on standard output and error."""
    capsys.readouterr()
    status = main(["suggest", *map(str, arguments), "--model", str(model)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def hashes(folder):
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def crops_by_editor(folder, name):
    with exiftool.tag_reader() as reader:
        [photo] = edited_photo.read(folder, scan.find_photos(folder, [name], [], ()), reader)
    return {one.editor_name: one for one in photo.crops}


def test_json_has_each_photo_s_crops_as_the_api_returns_them(model, tmp_path, capsys):
    save_photo(tmp_path / "a.jpg", image=noise(1))
    save_photo(tmp_path / "deep" / "b.png", image=noise(2), exif={ORIENTATION: 6})
    (tmp_path / ".cropperhead").mkdir()
    save_photo(tmp_path / ".cropperhead" / "hidden.jpg")
    status, out, err = run(capsys, model, tmp_path, "--json", "--alternatives", 2)
    objects = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [one["photo"] for one in objects] == [
        str(tmp_path / "a.jpg"),
        str(tmp_path / "deep" / "b.png"),
    ]
    assert "2 suggested, 0 skipped, 0 failed" in err
    cropper = cropperhead.load(model)
    for one in objects:
        names = ["photo", *LIMITS, "confidence", "straightening", "unlike", "alternatives", "model"]
        assert list(one) == names
        expected = cropper.suggest(one["photo"], n=3)
        printed = [one, *one["alternatives"]]
        assert len(printed) == len(expected)
        for crop, fields in zip(expected, printed, strict=True):
            numbers = [fields[name] for name in (*LIMITS, "confidence", "straightening")]
            # rounded to six decimals
            expected_numbers = [*crop.limits(), crop.confidence, crop.straightening]
            assert numbers == pytest.approx(expected_numbers, abs=1e-6)
        assert one["model"] == hashlib.sha256(model.read_bytes()).hexdigest()[:12]
    assert (
        run(capsys, model, tmp_path / "a.jpg", "-")[1]
        == run(capsys, model, tmp_path / "*.jpg", "--json")[1]
    )


def test_tighter_crops_keep_a_fifth_less(model, tmp_path, capsys):
    save_photo(tmp_path / "a.jpg", image=noise(1))
    areas = []
    for option in ((), ("--tighter",)):
        one = json.loads(run(capsys, model, tmp_path, "--json", *option)[1])
        areas.append((one["bottom"] - one["top"]) * (one["right"] - one["left"]))
    assert areas[1] == pytest.approx(0.81 * areas[0], rel=1e-4)


def test_without_any_output_each_photo_has_a_line(model, tmp_path, capsys):
    save_photo(tmp_path / "a.jpg", image=noise(1))
    before = hashes(tmp_path)
    status, out, _ = run(capsys, model, tmp_path)
    assert status == 0
    assert out.startswith(f"{tmp_path / 'a.jpg'}: keeps ")
    assert out.splitlines()[-1] == "1 suggested, 0 skipped, 0 failed"
    assert hashes(tmp_path) == before


def test_what_is_written_is_the_suggestion_with_a_mark_and_can_be_undone(model, tmp_path, capsys):
    save_photo(tmp_path / "IMG_1.jpg", image=noise(1))
    save_photo(tmp_path / "IMG_2.jpg", image=noise(2), exif={ORIENTATION: 6})
    (tmp_path / "IMG_2.xmp").write_bytes(xmp({"Exposure2012": "+0.50"}))
    before = hashes(tmp_path)
    for number, editor in enumerate(("lightroom", "darktable", "rawtherapee"), 1):
        status, out, err = run(capsys, model, tmp_path, "--write", editor)
        assert status == 0
        no_effect = "IMG_2.jpg: lightroom reads no sidecar of a .jpg file, whose settings it keeps"
        assert (no_effect in err) is (editor == "lightroom")
        assert f"2 suggested, 2 written for {editor}, 0 skipped, 0 failed" in out
        for name in ("IMG_1.jpg", "IMG_2.jpg"):
            crops = crops_by_editor(tmp_path, name)
            assert len(crops) == number
            [crop] = cropperhead.load(model).suggest(tmp_path / name)
            # RawTherapee rounds to pixels: half of one of 200, at both ends of a side
            assert astuple(crops[editor].crop)[:4] == pytest.approx(crop.limits()[:4], abs=0.006)
            assert crops[editor].is_untouched
            assert crops[editor].mark.model == hashlib.sha256(model.read_bytes()).hexdigest()[:12]
    assert b"Exposure2012" in (tmp_path / "IMG_2.xmp").read_bytes()
    assert main(["suggest", str(tmp_path), "--undo"]) == 0
    assert "1 file restored, 5 sidecars made by CropperHead removed\n" in capsys.readouterr().out
    assert hashes(tmp_path) == before


def test_into_photos_writes_where_lightroom_looks_and_can_be_undone(model, tmp_path, capsys):
    save_photo(tmp_path / "a.jpg", image=noise(1), exif={ORIENTATION: 6})
    save_photo(tmp_path / "b.tif", image=noise(2))
    save_photo(tmp_path / "c.png", image=noise(3))
    before = hashes(tmp_path)
    run(capsys, model, tmp_path, "--write", "lightroom")  # sidecars, two of them without effect
    command = (tmp_path, "--write", "lightroom", "--into-photos")
    status, out, _ = run(capsys, model, *command, "--dry-run")
    assert "2 suggested, 2 to be written for lightroom, 1 skipped, 0 failed" in out
    status, out, err = run(capsys, model, *command)
    assert (status, "reads no sidecar" in err) == (0, False)
    assert f"{tmp_path / 'a.jpg'}: the crop inside counts now, and not that in a.xmp" in err
    assert "2 suggested, 2 written for lightroom, 1 skipped, 0 failed" in out
    for name in ("a.jpg", "b.tif"):
        crop = crops_by_editor(tmp_path, name)["lightroom"]
        assert (crop.version.file, crop.is_untouched) == (name, True)
    status, out, _ = run(capsys, model, *command)
    assert "skipped 3: it already has this model's crop (a.jpg, b.tif, c.png)" in out
    assert main(["suggest", str(tmp_path), "--undo"]) == 0
    assert "2 files restored, 3 sidecars made by CropperHead removed\n" in capsys.readouterr().out
    assert hashes(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("suggest", "{}", "--write", "darktable", "--model", "{model}"),
        ("suggest", "{other}", "--apply", "{}/deep", "--model", "{model}"),
        ("suggest", "{}/deep", "--undo"),
        ("suggest", "{}/..", "--undo"),
        ("convert", "{}", "--to", "darktable"),
    ],
)
def test_a_folder_in_which_another_run_writes_is_left_alone(
    model, tmp_path, monkeypatch, capsys, arguments
):
    monkeypatch.chdir(ROOT)  # where params.yaml is
    monkeypatch.setattr(folder_lock, "PATIENCE_S", 0.1)
    folder, other = tmp_path / "lib" / "photos", tmp_path / "other"
    for place in (folder / "deep", other):
        save_photo(place / "a.jpg", xmp(settings()), image=noise(1))
    before = hashes(tmp_path)
    names = [one.format(folder, other=other, model=model) for one in arguments]
    with folder_lock.hold_trees([folder]):
        assert main(names) == 1
    err = capsys.readouterr().err
    assert "another run of CropperHead" in err
    assert err.endswith("is working in it. Wait until it is done, or end it, and try again.\n")
    assert hashes(tmp_path) == before


# The command, which stops once it has put the first sidecar in its place
STOPPING = """
import os, signal, sys
from cropperhead.cli.main import main
from cropperhead.library import replacing

put = replacing.put

def put_and_stop(*given):
    put(*given)
    os.kill(os.getpid(), signal.SIGSTOP)

replacing.put = put_and_stop
sys.exit(main(sys.argv[1:]))
"""


def test_a_run_keeps_undo_out_and_is_undone_once_it_was_killed(model, tmp_path, capsys):
    for number in range(12):
        save_photo(tmp_path / f"{number}.jpg", image=noise(number))
        (tmp_path / f"{number}.xmp").write_bytes(xmp({"Exposure2012": f"+{number}.0"}))
        os.utime(tmp_path / f"{number}.xmp", ns=(number, number))
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.iterdir()}
    command = [sys.executable, "-c", STOPPING, "suggest", tmp_path, "--model", model]
    with subprocess.Popen([*command, "--write", "lightroom"], stderr=-1, stdout=-1) as writer:
        assert os.WIFSTOPPED(os.waitpid(writer.pid, os.WUNTRACED)[1])
        undone = main(["suggest", str(tmp_path), "--undo"])
        refusal = capsys.readouterr().err
        writer.kill()
    assert writer.returncode == -signal.SIGKILL
    assert undone == 1
    assert f"another run of CropperHead (process {writer.pid}) is working in it" in refusal
    assert main(["suggest", str(tmp_path), "--undo"]) == 0
    after = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.iterdir()}
    assert after == before


def test_a_person_s_crop_in_any_editor_is_kept_without_overwrite(model, tmp_path, capsys):
    save_photo(tmp_path / "IMG_1.jpg", image=noise(1))
    save_photo(tmp_path / "IMG_2.jpg", xmp(settings()), image=noise(2))
    person = Crop(0.1, 0.2, 0.8, 0.9, 0.0)
    (tmp_path / "IMG_1.jpg.xmp").write_bytes(darktable_xmp(darktable.encode(person, 300, 200)))
    before = hashes(tmp_path)
    for editor in ("lightroom", "darktable", "rawtherapee"):
        status, out, _ = run(capsys, model, tmp_path, "--write", editor)
        assert status == 0
        assert "2 skipped" in out
        assert "skipped 2: a person has cropped it (IMG_1.jpg, IMG_2.jpg)" in out
        assert hashes(tmp_path) == before
    _, out, _ = run(capsys, model, tmp_path, "--write", "darktable", "--overwrite")
    assert "2 written for darktable" in out
    assert astuple(crops_by_editor(tmp_path, "IMG_1.jpg")["darktable"].crop) != astuple(person)


def test_a_second_run_skips_what_is_there_and_another_shape_replaces_it(model, tmp_path, capsys):
    for number in range(3):
        save_photo(tmp_path / f"IMG_{number}.jpg", image=noise(number))
    run(capsys, model, tmp_path / "IMG_0.jpg", "--write", "darktable")
    first = (tmp_path / "IMG_0.jpg.xmp").read_bytes()
    _, out, _ = run(capsys, model, tmp_path, "--write", "darktable")
    assert "2 suggested, 2 written for darktable, 1 skipped, 0 failed" in out
    assert "it already has this model's crop (IMG_0.jpg)" in out
    assert (tmp_path / "IMG_0.jpg.xmp").read_bytes() == first
    _, out, _ = run(capsys, model, tmp_path, "--write", "darktable", "--aspect", "1:1")
    assert "3 written" in out
    box = crops_by_editor(tmp_path, "IMG_0.jpg")["darktable"].box
    assert box.width / box.height == pytest.approx(1, abs=1e-3)


def test_where_the_whole_frame_is_best_an_earlier_suggestion_is_said_to_stay(
    model, tmp_path, capsys, monkeypatch
):
    save_photo(tmp_path / "a.jpg", image=noise(1))
    assert run(capsys, model, tmp_path, "--write", "darktable")[0] == 0
    save_photo(tmp_path / "b.jpg", image=noise(2))
    monkeypatch.setattr(deliver, "is_whole_frame", lambda _: True)
    before = hashes(tmp_path)
    status, out, _ = run(capsys, model, tmp_path, "--write", "darktable", "--aspect", "1:1")
    assert (status, hashes(tmp_path)) == (0, before)
    stays = "the crop that was suggested before stays, and --undo removes it"
    assert f"the whole frame is best; {stays} (a.jpg)" in out
    assert "the whole frame is best (b.jpg)" in out


def test_a_photo_below_the_confidence_is_skipped(model, tmp_path, capsys):
    save_photo(tmp_path / "a.jpg", image=noise(1))
    before = hashes(tmp_path)
    options = ("--min-confidence", "1", "--write", "lightroom", "--json")
    status, out, err = run(capsys, model, tmp_path, *options)
    assert (status, out) == (0, "")
    assert "0 suggested, 0 written for lightroom, 1 skipped, 0 failed" in err
    assert "its confidence is below --min-confidence (a.jpg)" in err
    assert hashes(tmp_path) == before


def test_straighten_only_keeps_the_frame_s_ratio_and_all_that_fits(model, tmp_path, capsys):
    for number in range(6):
        save_photo(tmp_path / f"{number}.png", image=noise(number))
    _, out, _ = run(capsys, model, tmp_path, "--straighten-only", "--json")
    crops = [json.loads(line) for line in out.splitlines()]
    assert any(one["angle"] for one in crops)
    for one in crops:
        width, height = one["right"] - one["left"], one["bottom"] - one["top"]
        assert width == pytest.approx(height, abs=2e-6)  # as fractions: the frame's own shape
        # of 3 x 2, turned by t: (2 cos t + 3 sin t) h = 2 where the height binds first
        turn = math.radians(abs(one["angle"]))
        assert height == pytest.approx(2 / (2 * math.cos(turn) + 3 * math.sin(turn)), abs=1e-5)
        assert 0 < one["confidence"] <= 1
        assert one["top"] + one["bottom"] == pytest.approx(1, abs=2e-6)


def test_no_photo_is_turned_without_straightening(model, tmp_path, capsys):
    for number in range(6):
        save_photo(tmp_path / f"{number}.png", image=noise(number))
    _, turned, _ = run(capsys, model, tmp_path, "--json", "--alternatives", 1)
    _, level, _ = run(capsys, model, tmp_path, "--no-straighten", "--json", "--alternatives", 1)
    before, after = ([json.loads(line) for line in out.splitlines()] for out in (turned, level))
    assert any(one["angle"] for one in before)
    for one in after:
        assert {one["angle"], *(each["angle"] for each in one["alternatives"])} == {0.0}
    sure = [[one["straightening"] for one in each] for each in (before, after)]
    assert sure[0] == sure[1]


def test_a_printed_line_says_how_likely_a_turn_helps(model, tmp_path, capsys):
    for number in range(6):
        save_photo(tmp_path / f"{number}.png", image=noise(number))
    lines = run(capsys, model, tmp_path)[1].splitlines()
    turned = [line for line in lines if "turned by" in line]
    assert turned
    assert all(
        re.search(r"turned by [+-]\d+\.\d° \(helps with a probability of \d+%\), confidence", line)
        for line in turned
    )


def test_crops_have_the_aspect_ratio_that_was_asked_for(model, tmp_path, capsys):
    save_photo(tmp_path / "a.png", image=noise(1, 300, 200))
    for aspect, ratio in (("4:5", 0.8), ("16:9", 16 / 9), ("original", 1.5)):
        _, out, _ = run(capsys, model, tmp_path, "--aspect", aspect, "--json")
        one = json.loads(out)
        width, height = (one["right"] - one["left"]) * 300, (one["bottom"] - one["top"]) * 200
        assert width / height == pytest.approx(ratio, abs=1e-4)


@pytest.mark.parametrize("code", [1, 3, 6, 8])
def test_a_copy_is_cut_from_the_upright_picture(model, tmp_path, capsys, code):
    for number in range(3):
        save_photo(tmp_path / "in" / f"{number}.png", image=noise(number), exif={ORIENTATION: code})
    status, out, _ = run(capsys, model, tmp_path / "in", "--apply", tmp_path / "out")
    assert status == 0
    assert f"3 copied to {tmp_path / 'out'}" in out
    for number in range(3):
        name = f"{number}.png"
        [crop] = cropperhead.load(model).suggest(tmp_path / "in" / name)
        upright = photos.transpose(noise(number), code)
        if crop.angle:
            expected = photos.cut(upright, crop.in_pixels(*upright.size))
        else:
            expected = upright.crop(crop.pixels(*upright.size))
        with Image.open(tmp_path / "out" / name) as image:
            assert np.array_equal(np.asarray(image), np.asarray(expected))
            assert image.getexif().get(ORIENTATION) == 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_a_copy_keeps_profile_and_metadata_but_no_crop_to_apply(model, tmp_path, capsys, suffix):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + b"own"
    tags = Image.Exif()
    tags[MAKE], tags[ORIENTATION] = "Maker", 6
    tags.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"  # DateTimeOriginal
    packet = xmp(settings() | {"Exposure2012": "+0.50"}, orientation=6)
    extra = {"xmp": packet} if suffix in {".jpg", ".webp"} else {}
    file = tmp_path / "in" / f"a{suffix}"
    file.parent.mkdir()
    noise(1).save(file, icc_profile=profile, exif=tags.tobytes(), **extra)
    assert run(capsys, model, file, "--apply", tmp_path / "out")[0] == 0
    with Image.open(file) as before, Image.open(tmp_path / "out" / file.name) as image:
        image.load()
        assert image.format == before.format
        assert image.info["icc_profile"] == profile
        assert image.getexif()[MAKE] == "Maker"
        assert image.getexif().get(ORIENTATION, 1) == 1  # which Pillow removes from a TIFF
        assert image.getexif().get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09"
        if extra:
            assert b"HasCrop" not in image.info["xmp"]
            assert b"CropTop" not in image.info["xmp"]
            assert b'tiff:Orientation="1"' in image.info["xmp"]
            assert b'Exposure2012="+0.50"' in image.info["xmp"]


def test_a_copy_that_exists_is_skipped_and_no_other_file_is_overwritten(model, tmp_path, capsys):
    for number in range(2):
        save_photo(tmp_path / "in" / f"{number}.jpg", image=noise(number))
    out = tmp_path / "in" / "out"
    out.mkdir()
    (out / "1.jpg").write_bytes(b"somebody's")
    status, _, _ = run(capsys, model, tmp_path / "in" / "0.jpg", "--apply", out)
    assert status == 0
    first = hashes(out)
    arguments = (tmp_path / "in", "--apply", out)
    status, printed, err = run(capsys, model, *arguments)
    assert status == 1
    assert "1.jpg: already exists and was not written by CropperHead." in err
    assert "this copy already exists (0.jpg)" in printed
    assert "it is a copy that CropperHead made (0.jpg)" in printed
    assert hashes(out) == first
    run(capsys, model, tmp_path / "in" / "0.jpg", "--apply", out, "--quality", 50)
    assert (out / "0.jpg").read_bytes() != first[str(out / "0.jpg")]
    main(["suggest", str(out), "--undo"])
    assert sorted(file.name for file in out.iterdir()) == ["1.jpg"]


def test_a_copy_is_made_again_with_less_metadata_when_that_is_asked_for(model, tmp_path, capsys):
    tags = Image.Exif()
    tags[MAKE] = "Maker"
    tags.get_ifd(0x8825)[1] = "N"  # GPSLatitudeRef
    photo = save_photo(tmp_path / "in" / "a.jpg", image=noise(1))
    noise(1).save(photo, exif=tags)
    found = []
    for options in ([], ["--strip-location"], ["--strip-all"]):
        assert run(capsys, model, photo, "--apply", tmp_path / "out", *options)[0] == 0
        with Image.open(tmp_path / "out" / "a.jpg") as image:
            exif = image.getexif()
            found.append((exif.get(MAKE), exif.get_ifd(0x8825).get(1)))
    assert found == [("Maker", "N"), ("Maker", None), (None, None)]


def test_undo_removes_copies_that_say_what_they_are_and_no_other_picture(model, tmp_path, capsys):
    """A copied line of the journal makes no photo a copy, nor a copy without metadata."""
    out, lines = tmp_path / "out", tmp_path / "out" / ".cropperhead" / "journal.jsonl"
    for suffix in ("jpg", "png", "tif", "webp"):
        photo = save_photo(tmp_path / "in" / f"a.{suffix}", image=noise(1))
        assert run(capsys, model, photo, "--apply", out)[0] == 0
    precious = save_photo(out / "mine.jpg", image=noise(2))
    line = json.loads(lines.read_bytes().splitlines()[0])
    line |= {"file": precious.name, "after": hashlib.sha256(precious.read_bytes()).hexdigest()}
    lines.write_bytes(lines.read_bytes() + json.dumps(line).encode() + b"\n")
    stripped = save_photo(tmp_path / "in" / "stripped.jpg", image=noise(3))
    for quality, status in ((90, 0), (90, 0), (80, 1)):  # written, already there, not replaced
        options = ("--apply", out, "--strip-all", "--quality", quality)
        assert run(capsys, model, stripped, *options)[0] == status
    capsys.readouterr()
    assert main(["suggest", str(out), "--undo"]) == 1
    printed = capsys.readouterr().out
    assert ": 4 copies made by CropperHead removed, 2 kept as found\n" in printed
    assert printed.count("nothing in it says that CropperHead made it") == 2
    assert sorted(file.name for file in out.glob("*.*")) == [
        ".cropperhead",
        "mine.jpg",
        "stripped.jpg",
    ]


def test_damaged_lines_of_a_journal_are_counted_in_the_summary(model, tmp_path, capsys):
    save_photo(tmp_path / "a.jpg", image=noise(1))
    lines = tmp_path / ".cropperhead" / "journal.jsonl"
    lines.parent.mkdir()
    lines.write_bytes(b"{}\n[]\n")
    status, out, _ = run(capsys, model, tmp_path, "--write", "lightroom")
    assert status == 0
    assert f"damaged: {lines}: skipped 2 damaged lines: 1, 2" in out


def test_a_sheet_shows_every_photo(model, tmp_path, capsys):
    for number in range(7):
        save_photo(tmp_path / f"{number}.jpg", image=noise(number))
    target = tmp_path / "s" / "sheet.png"
    status, out, _ = run(capsys, model, tmp_path, "--sheet", target, "--dry-run")
    assert (status, out) == (0, f"7 suggested, 7 to be drawn in {target}, 0 skipped, 0 failed\n")
    status, out, _ = run(capsys, model, tmp_path, "--sheet", target)
    assert (status, out) == (0, f"7 suggested, 7 drawn in {target}, 0 skipped, 0 failed\n")
    with Image.open(tmp_path / "s" / "sheet.png") as sheet:
        sheet.load()
        assert (sheet.format, sheet.width) == ("PNG", 2000)
        # two rows of five pictures of 3 : 2, 388 px wide and 259 px high, and a caption below each
        assert sheet.height == pytest.approx(10 + 2 * (259 + 28), abs=2)


def test_failures_are_listed_and_the_rest_is_done(model, tmp_path, capsys):
    whole = save_photo(tmp_path / "a.jpg", image=noise(1)).read_bytes()
    (tmp_path / "b.jpg").write_text("no photo")
    (tmp_path / "c.jpg").write_bytes(whole[: len(whole) // 2])
    save_photo(tmp_path / "d.jpg", image=noise(2))
    gone, empty = tmp_path / "gone.jpg", tmp_path / "empty"
    empty.mkdir()
    names = [*sorted(tmp_path.glob("?.jpg")), gone, empty]
    for outputs, done in ((("--json",), "2 suggested"), (("--write", "lightroom"), "2 written")):
        status, out, err = run(capsys, model, *names, *outputs)
        assert status == 1
        assert done in out + err
        assert "4 failed" in out + err
        assert f"{tmp_path / 'b.jpg'}: it is not a picture" in err
        assert f"{tmp_path / 'c.jpg'}: the picture cannot be read" in err or "c.jpg" in err
        assert f"{gone}: no such file" in err
        assert f"{empty}: no photo is in it" in err
        assert "failed 1: no such file (gone.jpg)" in out + err


def test_damaged_photos_are_counted_by_the_cause(tmp_path):
    log = SuggestLog(SuggestOptions(), tqdm(disable=True))
    for name, unread in (("a.jpg", 2), ("b.jpg", 62)):
        problem = f"image file is truncated ({unread} bytes not processed)"
        log.fail(tmp_path / name, problem)
    assert "  failed 2: image file is truncated (a.jpg, b.jpg)" in str(log).splitlines()


def test_a_photo_that_changes_while_it_is_read_fails_and_the_rest_is_done(
    model, tmp_path, monkeypatch
):
    """An editor saves the photo between its decoding and the model's answer."""
    file, other = tmp_path / "a.jpg", tmp_path / "b.jpg"
    for seed, each in enumerate((file, other)):
        save_photo(each, image=noise(seed))
    cropper = predict.load_cropper(model)
    suggest_seen = cropper.suggest_seen

    def save_meanwhile(_, *arguments):
        if not (tmp_path / "saved").exists():
            (tmp_path / "saved").touch()
            save_photo(file, image=noise(9))
        return suggest_seen(*arguments)

    monkeypatch.setattr(type(cropper), "suggest_seen", save_meanwhile)
    jobs = [predict.Job(file), predict.Job(other)]
    first, second = predict.predict_photos(model, SuggestOptions(), jobs)
    assert (first.failure, first.crops) == ("it changed while it was read", ())
    assert (second.failure, len(second.crops)) == ("", 1)


def test_a_dry_run_writes_nothing(model, tmp_path, capsys):
    save_photo(tmp_path / "in" / "a.jpg", image=noise(1))
    before = hashes(tmp_path)
    outputs = ("--write", "darktable", "--apply", tmp_path / "out", "--sheet", tmp_path / "s.jpg")
    status, out, _ = run(capsys, model, tmp_path / "in", *outputs, "--dry-run")
    assert status == 0
    assert "1 to be written for darktable, 1 to be copied to" in out
    assert hashes(tmp_path) == before
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("closed", ["in", "in/a.jpg.xmp"])
def test_a_dry_run_says_what_may_not_be_written(model, tmp_path, capsys, monkeypatch, closed):
    save_photo(tmp_path / "in" / "a.jpg", image=noise(1))
    (tmp_path / "in" / "a.jpg.xmp").write_bytes(darktable_xmp({"History": [], "History_end": 0}))
    before = hashes(tmp_path)
    may = os.access  # which lets root write anywhere

    def access(path, mode):
        return not (mode & os.W_OK and Path(path) == tmp_path / closed)

    monkeypatch.setattr(os, "access", access)
    status, out, err = run(capsys, model, tmp_path / "in", "--write", "darktable", "--dry-run")
    assert (status, hashes(tmp_path)) == (1, before)
    assert "0 to be written for darktable, 0 skipped, 1 failed" in out
    reason = {"in": "cannot be written: Permission denied", "in/a.jpg.xmp": "it is read-only"}
    assert f"{tmp_path / 'in/a.jpg.xmp'}: {reason[closed]}. Left as it was." in err
    monkeypatch.setattr(os, "access", may)
    assert run(capsys, model, tmp_path / "in", "--write", "darktable", "--dry-run")[0] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--aspect", "3by4"), "aspect ratio is '3by4', expected free, original"),
        (("--quality", "0"), "0 is not in the range 1<=x<=100."),
        (("--min-confidence", "2"), "2.0 is not in the range 0<=x<=1."),
        (("--min-confidence", "nan"), "nan is not in the range 0<=x<=1."),
        (("--sheet", "sheet.gif"), "'sheet.gif' does not end in .jpg or .png."),
        (("--undo",), "a.jpg is not a folder."),
        (("--straighten-only", "--aspect", "1:1"), "--straighten-only excludes --aspect"),
        (("--straighten-only", "--no-straighten"), "--straighten-only excludes --no-straighten"),
        (("--straighten-only", "--tighter"), "--straighten-only excludes --aspect"),
        (("--undo", "--dry-run"), "--undo excludes --dry-run."),
        (("--tighter", "--looser"), "--tighter excludes --looser."),
        (("--overwrite",), "--overwrite needs --write."),
        (("--strip-all", "--write", "darktable"), "--strip-all needs --apply."),
        (("--strip-location",), "--strip-location needs --apply."),
        (("--dry-run", "--json"), "--dry-run needs --write, --apply or --sheet."),
    ],
)
def test_wrong_usage_ends_with_status_2(tmp_path, capsys, wrong, message):
    assert main(["suggest", str(tmp_path / "a.jpg"), *wrong]) == 2
    assert message in capsys.readouterr().err


def test_nothing_to_do_ends_with_status_1(model, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no photo")
    assert run(capsys, model, tmp_path)[0] == 1
    assert run(capsys, model, tmp_path / "*.jpg")[0] == 1
    assert run(capsys, tmp_path / "none.tflite", tmp_path)[0] == 1


def test_suggesting_needs_nothing_that_only_the_pipeline_needs(model, tmp_path):
    file = save_photo(tmp_path / "a.jpg", image=noise(1))
    hidden = ["tensorflow", "keras", "mlflow", "pandas", "scipy", "pyarrow", "imagehash"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden!r}))\n"
        "from cropperhead.cli.main import main\n"
        "if __name__ == '__main__': sys.exit(main(sys.argv[1:]))"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    command = [sys.executable, script, "suggest", file, "--model", model]
    done = subprocess.run(
        [*command, "--json", "--apply", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["photo"]) == (0, str(file))
    done = subprocess.run(
        [*command, "--write", "lightroom"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (
        0,
        "1 suggested, 1 written for lightroom, 0 skipped, 0 failed\n",
    )


def test_a_photo_is_shown_by_the_orientation_that_is_passed(tmp_path):
    file = save_photo(tmp_path / "a.png", image=picture(300, 200), exif={ORIENTATION: 3})
    image, frame = api.seen(file, 6)
    assert image.size == (200, 300)
    assert frame == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", ["photo.jpg", "sheet.png"])
def test_a_sheet_replaces_only_another_sheet(model, tmp_path, capsys, name):
    photo = save_photo(tmp_path / "photo.jpg", image=noise(1))
    target = tmp_path / name
    if name == "sheet.png":
        assert run(capsys, model, photo, "--sheet", target)[0] == 0
        assert run(capsys, model, photo, "--sheet", target)[0] == 0  # again over its own
        target.write_bytes(photo.read_bytes())
    before = target.read_bytes()
    status, _, err = run(capsys, model, tmp_path, "--sheet", target)
    assert status == 1
    assert f"{target} already exists and was not written by CropperHead. Choose another" in err
    assert target.read_bytes() == before


@pytest.mark.parametrize("editor", ["lightroom", "darktable", "rawtherapee"])
def test_a_suggestion_that_a_person_has_removed_is_not_written_again(
    model, tmp_path, capsys, editor
):
    photo = save_photo(tmp_path / "a.jpg", image=noise(3))
    assert run(capsys, model, photo, "--write", editor)[0] == 0
    [sidecar] = [file for file in tmp_path.iterdir() if file.suffix in (".xmp", ".pp3")]
    text = sidecar.read_bytes()
    off = {
        "lightroom": (b'HasCrop="True"', b'HasCrop="False"'),
        "darktable": (b'enabled="1"', b'enabled="0"'),
        "rawtherapee": (b"Enabled=true", b"Enabled=false"),
    }[editor]
    assert off[0] in text
    removed = text.replace(*off)
    if editor == "rawtherapee":
        removed = re.sub(rb"(?m)^Degree=.*$", b"Degree=0", removed)
    sidecar.write_bytes(removed)
    _, out, err = run(capsys, model, photo, "--write", editor)
    assert "the suggested crop was removed" in out + err
    assert sidecar.read_bytes() == removed


def test_a_copy_of_a_raw_photo_names_its_camera_and_is_upright(model, tmp_path, capsys):
    raw = save_dng(tmp_path / "a.dng", tags={MAKE: (ASCII, b"Maker\0"), ORIENTATION: (SHORT, [6])})
    assert run(capsys, model, raw, "--apply", tmp_path / "copies")[0] == 0
    [copy] = (tmp_path / "copies").glob("*.jpg")
    with Image.open(copy) as image:
        tags = image.getexif()
        assert tags[MAKE] == "Maker"
        assert tags[ORIENTATION] == 1
        assert image.height > image.width  # 1200 x 800, a quarter turned
