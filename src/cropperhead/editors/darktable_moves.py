"""Finds the modules of a darktable history that move the picture before it is cropped.

Where such a module moves it by no more than 1 % of the frame, the crop is read as if it did not.
RAW borders are undone. Every other move is refused, because the settings do not tell all of it: how
a lens bends the picture is in Lensfun's database or in the photo's own metadata.

Of the other modules, `spots` and `retouch` copy parts of the picture over others and move no frame;
`finalscale`, and `borders` in its usual place, come after the crop.

Sources: `src/iop/{rawprepare,rotatepixels,scalepixels,enlargecanvas,liquify,borders}.c`,
`src/iop/lens.cc` and `src/common/iop_order.c` of darktable 4.2.1, 5.4.1 and 5.6.0; Lensfun's
database.
"""

from collections.abc import Mapping
from typing import Any

from cropperhead.editors import darktable_history as history
from cropperhead.editors import lens_names
from cropperhead.editors.darktable_history import Layouts, Step
from cropperhead.errors import RejectedFile

MOST_MOVED = 0.01  # of the frame's side
# Sensors turned by 45 degrees, oblong pixels, added margins.
_REFRAMING = ("rotatepixels", "scalepixels", "enlargecanvas")
_MODULES = ("rawprepare", *_REFRAMING, "lens", "liquify", "borders")
# left, top, right, bottom in px of the sensor
_BORDERS: Layouts = {1: ("<4i12x", ""), 2: ("<4i16x", "")}
_LENSFUN, _ONLY_VIGNETTE = 1, 2  # the method; 0: by what the camera wrote
_FIRST = "scale target camera lens"
_LENS: Layouts = {
    2: ("<8xf16xi52s52s12x", _FIRST),
    3: ("<8xf16xi128s128s12x", _FIRST),
    4: ("<8xf16xi128s128s12xi", f"{_FIRST} changed"),
    5: ("<8xf16xi128s128s12xi", f"{_FIRST} changed"),
    6: ("<i8xf16xi128s128s20xi", f"method {_FIRST} changed"),
    7: ("<i8xf16xi128s128s20xf", f"method {_FIRST} scale_md_v1"),
    8: ("<i8xf16xi128s128s28xfif", f"method {_FIRST} scale_md_v1 md_version scale_md"),
    9: ("<i8xf16xi128s128s28xfifi", f"method {_FIRST} scale_md_v1 md_version scale_md changed"),
    10: ("<i8xf16xi128s128s28xfifi20x", f"method {_FIRST} scale_md_v1 md_version scale_md changed"),
}
# Lensfun's kinds of lens: 0 unknown, 1 rectilinear, 3 panoramic, 4 equirectangular, others fisheye
_NO_PROJECTION, _RECTILINEAR, _FISHEYES = 0, 1, (2, 5, 6, 7, 8)
# liquify's points: the kind (0: none), x and y, and where a pull from there ends, in px
_NODES, _NODE, _NODE_VALUES = 100, "i16x4f40x", 5
# A pull moves the content at its point by half its length.
_SHARE_OF_PULL = 0.5


def read_borders(settings: Mapping[str, Any]) -> tuple[int, int, int, int] | None:
    """How many px of the sensor are cut off: left, top, right, bottom; None where nothing tells.

    Raises RejectedFile (`unknown_version`, `bad_params`).
    """
    steps = [one for one in history.list_steps(settings, ("rawprepare",)) if one.enabled]
    if not steps:
        return None
    layout, _ = history.find_layout(steps[-1], _BORDERS)
    left, top, right, bottom = history.unpack(steps[-1], layout)
    return left, top, right, bottom


def refuse(settings: Mapping[str, Any], width: int, height: int) -> None:
    """Raises RejectedFile (`reframed` ...) if a module moves the picture before the crop.

    `width` and `height` are those of the frame in px. RAW borders are left to `read_borders`.
    """
    for step in history.list_steps(settings, _MODULES):
        if not step.enabled:
            continue
        if step.operation in _REFRAMING:
            raise _reframed(step, "is on")
        if step.operation == "borders" and _comes_before_crop(step, settings):
            raise _reframed(step, "comes before the crop")
        if step.operation == "lens":
            _refuse_lens(step)
        if step.operation == "liquify":
            _refuse_pulls(step, width, height)


def _reframed(step: Step, what: str) -> RejectedFile:
    return RejectedFile("reframed", f"{step.operation} {what}: the crop is in another frame")


def _comes_before_crop(step: Step, settings: Mapping[str, Any]) -> bool:
    order = history.custom_order(settings)
    if step.operation not in order:
        return False
    after = order[order.index(step.operation) :]
    return "crop" in after or "clipping" in after


def _refuse_lens(step: Step) -> None:
    layout, names = history.find_layout(step, _LENS)
    fields = dict(zip(names.split(), history.unpack(step, layout), strict=True))
    camera, lens = (_text(fields.pop(name)) for name in ("camera", "lens"))
    fields = {"method": _LENSFUN} | fields
    if fields["method"] == _ONLY_VIGNETTE:
        return
    by_lensfun = fields["method"] == _LENSFUN
    if by_lensfun and not lens:
        return  # without a lens' name darktable corrects nothing
    scales = ["scale"] if by_lensfun else _embedded_scales(fields)
    history.require_numbers(step, {name: fields[name] for name in scales})
    for name in scales:
        # a scale of 1.02 takes 1 % off each side
        if abs(fields[name] - 1) > 2 * MOST_MOVED * fields[name]:
            raise _reframed(step, f"enlarges the picture by {fields[name]:g}")
    if by_lensfun and _is_projected(fields, f"{camera} {lens}"):
        raise _reframed(step, f"projects the picture of {lens}")


def _embedded_scales(fields: Mapping[str, float]) -> list[str]:
    """The scales that count; a value beyond its limits has darktable choose one itself."""
    limits = {"scale_md": (0.1, 2.0)}
    if fields.get("md_version", 0) == 0:
        limits["scale_md_v1"] = (0.9, 1.1)
    given = [name for name in limits if name in fields]
    return [name for name in given if limits[name][0] <= fields[name] <= limits[name][1]]


def _is_projected(fields: Mapping[str, float], name: str) -> bool:
    """Whether the picture of a lens is given the geometry of another kind of lens."""
    target = fields["target"]
    if target == _NO_PROJECTION:
        return False
    if not lens_names.is_fisheye(name):
        return target != _RECTILINEAR
    # untouched, darktable keeps the lens' own projection
    return target not in _FISHEYES or bool(fields.get("changed", 1))


def _text(value: bytes) -> str:
    return value.split(b"\0")[0].decode("utf-8", "replace")


def _refuse_pulls(step: Step, width: int, height: int) -> None:
    layout, _ = history.find_layout(step, {1: (f"<{_NODE * _NODES}", "")})
    values = history.unpack(step, layout)
    for start in range(0, len(values), _NODE_VALUES):
        kind, x, y, end_x, end_y = values[start : start + _NODE_VALUES]
        if kind == 0:
            continue
        pull = {"x": _SHARE_OF_PULL * (end_x - x), "y": _SHARE_OF_PULL * (end_y - y)}
        history.require_numbers(step, pull)
        if abs(pull["x"]) > MOST_MOVED * width or abs(pull["y"]) > MOST_MOVED * height:
            raise _reframed(step, f"moves the picture by {pull['x']:.0f}, {pull['y']:.0f} px")
