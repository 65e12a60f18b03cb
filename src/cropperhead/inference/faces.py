"""Finds faces in photos, and keeps a crop from cutting one.

The detector is MediaPipe's BlazeFace for faces up to five metres away, from the package
cropperhead-base (Bazarevsky et al., "BlazeFace", 2019). Its box goes from the brows to the chin.
Without that package no face is found.

Boxes are those of `boxes`: (…, 4), top, left, bottom, right as fractions of the frame's sides.
"""

from functools import lru_cache, partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats
from cropperhead.inference.boxes import centre_and_sides, overlaps, turn_back, turn_forth
from cropperhead.inference.litert import Network
from cropperhead.system import regular_file

_MOST_BYTES = 10_000_000
# MediaPipe's own for this network (face_detection_full_range.pbtxt)
_LEAST_SCORE, _SAME_FACE, _STRIDE = 0.6, 0.3, 4
# Of a face's sides: what a head has above, beside and below the box of its face
_HAIR, _EARS, _CHIN = 0.4, 0.1, 0.1
# A box is right to a few pixels: less than this share of it is not a cut
_ROUNDING = 0.02
# Crops of these shapes (long side / short side), or of the frame's, keep their shape
_COMMON_SHAPES = np.array([1, 5 / 4, 4 / 3, 7 / 5, 3 / 2, 16 / 9])
_SAME_SHAPE = 0.005
# What each costs, in overlap with the given crop
_LOST_FACE, _CUT_FACE, _CUT_HEAD = 2.0, 1.0, 0.15
_DECIMALS = 12  # of a cost: smaller differences are rounding, and the earlier candidate wins
_NEAREST = 8  # edges of faces that each side of a crop is tried at
_SCALES = np.geomspace(0.7, 1.8, 81)  # of a crop that keeps its shape: steps of 1.2 %


def find_faces(image: Image.Image) -> Floats:
    """The faces in an upright picture, (n, 4), from the most to the least certain."""
    network = _network()
    if network is None:
        return np.zeros((0, 4))
    picture, offset, scale = _letterbox(image, network.input_size)
    boxes, scores = network.run(picture)
    found, certainty = _decode(boxes[0], scores[0, :, 0], network.input_size)
    faces = _merge(found, certainty) * network.input_size
    sides = np.array([*image.size[::-1]] * 2)
    return np.asarray(np.clip((faces - np.tile(offset, 2)) / scale / sides, 0, 1))


def heads(faces: Floats) -> Floats:
    """The heads (n, 4) of faces (n, 4), within the frame."""
    height, width = (faces[:, 2:] - faces[:, :2]).T
    margins = np.stack([-_HAIR * height, -_EARS * width, _CHIN * height, _EARS * width], axis=1)
    return np.asarray(np.clip(faces + margins, 0, 1))


def are_cut(limits: Floats, faces: Floats, aspect: float) -> NDArray[np.bool_]:
    """Which faces (n, 4) are partly inside a crop (5,) and partly outside, (n,)."""
    turn = partial(turn_back, angle_deg=float(limits[4]), aspect=aspect)
    inside = _inside(turn(limits[None, :4]), turn(faces))[0]
    return _cut(inside)


def are_whole(limits: Floats, faces: Floats, aspect: float) -> NDArray[np.bool_]:
    """Which faces (n, 4) are inside a crop (5,), (n,)."""
    turn = partial(turn_back, angle_deg=float(limits[4]), aspect=aspect)
    return np.asarray(_inside(turn(limits[None, :4]), turn(faces))[0] >= 1 - _ROUNDING)


def keep_whole(limits: Floats, faces: Floats, aspect: float, keeps_shape: bool = False) -> Floats:
    """The crop (5,) most like the given one that cuts no face (n, 4), and no head.

    Where that is impossible or takes another crop altogether, faces matter more than heads, and a
    face of which half is inside is rather cut than left out. The crop lies within the frame of
    width / height `aspect` and keeps its tilt, unless only a level one cuts fewer faces. Its shape
    stays if that is asked for or a common one. It is the given crop if nothing has to change.
    """
    moved = _moved(limits, faces, aspect, keeps_shape)
    if limits[4] and (cut := are_cut(moved, faces, aspect).sum()):
        level = _moved(np.append(limits[:4], 0), faces, aspect, keeps_shape)
        if are_cut(level, faces, aspect).sum() < cut:
            return level
    return moved


def _moved(limits: Floats, faces: Floats, aspect: float, keeps_shape: bool) -> Floats:
    """As `keep_whole`, with the same tilt."""
    around_all = heads(faces)
    if not are_cut(limits, around_all, aspect).any():
        return limits
    turn = partial(turn_back, angle_deg=float(limits[4]), aspect=aspect)
    own, upright, around = turn(limits[None, :4]), turn(faces), turn(around_all)
    has_shape = keeps_shape or _has_common_shape(own[0], aspect)
    moves = _same_shape(own[0], around) if has_shape else _other_sides(own[0], around)
    candidates = np.concatenate([own, moves])
    back = turn_forth(candidates, float(limits[4]), aspect)
    tilted = np.concatenate([back, np.full((len(back), 1), limits[4])], axis=1)
    outside = crops.outside(tilted, np.full(len(back), aspect))
    inside, wanted = _inside(candidates, upright), _inside(own, upright)[0] >= 0.5
    lost = wanted & (inside <= _ROUNDING)
    cost = _LOST_FACE * lost.sum(axis=1) + _CUT_FACE * _cut(inside).sum(axis=1)
    cost += _CUT_HEAD * _cut(_inside(candidates, around)).sum(axis=1)
    cost -= overlaps(own, candidates)[0]
    cost[outside > max(outside[0], 1e-9)] = np.inf
    best = int(np.round(cost, _DECIMALS).argmin())
    return limits if best == 0 else tilted[best]


def network_bytes() -> bytes | None:
    """The detector's TFLite file; None without the package cropperhead-base."""
    try:
        import cropperhead_base  # noqa: PLC0415 - a package of data, which may be absent
    except ModuleNotFoundError:
        return None
    return regular_file.read_bytes(cropperhead_base.faces_file(), _MOST_BYTES)


@lru_cache(maxsize=1)
def _network() -> Network | None:
    content = network_bytes()
    return None if content is None else Network(content)


def _letterbox(image: Image.Image, side: int) -> tuple[NDArray[np.float32], Floats, float]:
    """The picture in a black square, (1, side, side, 3); its offset down, across; and its scale."""
    scale = side / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    small = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    left, top = (side - width) // 2, (side - height) // 2
    square = Image.new("RGB", (side, side))
    square.paste(small, (left, top))
    pixels = np.asarray(square, np.float32)[None] / 127.5 - 1
    return pixels, np.array([top, left], float), scale


def _decode(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], side: int
) -> tuple[Floats, Floats]:
    """Boxes (n, 4) and their probabilities from those of each anchor, in fractions of the square.

    `boxes` (anchors, 16): across and down of the centre, from the anchor, then width and height, in
    px; `scores` (anchors,): log odds.
    """
    certainty = 1 / (1 + np.exp(-np.clip(scores.astype(float), -80, 80)))
    found = np.flatnonzero(certainty > _LEAST_SCORE)
    row, column = np.divmod(found, side // _STRIDE)
    anchors = (np.stack([row, column], axis=1) + 0.5) * _STRIDE
    centre = (boxes[found, 1::-1] + anchors) / side
    half = boxes[found, 3:1:-1].astype(float) / side / 2
    return np.concatenate([centre - half, centre + half], axis=1), certainty[found]


def _merge(boxes: Floats, certainty: Floats) -> Floats:
    """One box for each face: the mean of those that overlap its most certain one, by certainty."""
    rest, faces = np.argsort(-certainty, kind="stable"), []
    while len(rest):
        same = overlaps(boxes[rest[:1]], boxes[rest])[0] > _SAME_FACE
        same[0] = True  # one without an area does not overlap itself
        together = rest[same]
        faces.append(np.average(boxes[together], axis=0, weights=certainty[together]))
        rest = rest[~same]
    return np.array(faces).reshape(-1, 4)


def _inside(candidates: Floats, faces: Floats) -> Floats:
    """The share of each face (n, 4) inside each candidate (c, 4), (c, n)."""
    low = np.maximum(candidates[:, None, :2], faces[:, :2])
    high = np.minimum(candidates[:, None, 2:], faces[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    return np.asarray(shared / np.maximum(crops.area(faces), 1e-12))


def _cut(inside: Floats) -> NDArray[np.bool_]:
    return np.asarray((inside > _ROUNDING) & (inside < 1 - _ROUNDING))


def _has_common_shape(box: Floats, aspect: float) -> bool:
    """Whether a box in frame heights, (4,), has the frame's shape or one that people choose."""
    height, width = box[2:] - box[:2]
    shape, frame = max(width / height, height / width), max(aspect, 1 / aspect)
    apart = np.abs(shape / np.append(_COMMON_SHAPES, frame) - 1)
    return bool((apart < _SAME_SHAPE).any())


def _other_sides(own: Floats, faces: Floats) -> Floats:
    """Boxes with each side where it is or at an edge of a face, (c, 4)."""
    tries = []
    for place, side in enumerate(own):
        edges = np.unique(faces[:, place % 2 :: 2])
        nearest = edges[np.argsort(np.abs(edges - side), kind="stable")[:_NEAREST]]
        tries.append([side, *nearest])
    boxes = np.array(list(product(*tries)))
    return boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]


def _same_shape(own: Floats, faces: Floats) -> Floats:
    """Larger and smaller boxes of the same shape, at edges of faces in turn, (c, 4)."""
    centre, sides = centre_and_sides(own)
    edges = [np.unique(faces[:, axis::2]) for axis in (0, 1)]
    boxes = []
    for size in _SCALES[:, None] * sides:
        lows = []
        for axis, length in enumerate(size):
            places = np.concatenate([edges[axis], edges[axis] - length, own[[axis, axis + 2]]])
            places[-1] -= length  # the same lower or right side
            middle = centre[axis] - length / 2
            near = np.argsort(np.abs(places - middle), kind="stable")[:_NEAREST]
            lows.append([middle, *places[near]])
        low = np.array(list(product(*lows)))
        boxes.append(np.concatenate([low, low + size], axis=1))
    return np.concatenate(boxes)
