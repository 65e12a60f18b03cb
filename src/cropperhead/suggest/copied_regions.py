"""The regions of people and other subjects in a cropped copy's XMP, moved into its frame.

Both formats measure in fractions of the frame as it is stored, not as it is displayed: the Metadata
Working Group's (Guidelines for Handling Image Metadata 2.0, 5.9) from a region's centre, and
Microsoft's (People Tagging) from its top left corner. digiKam, Lightroom, Apple's Photos and
Picasa write one of them or both. Other formats' regions are not copied.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cropperhead.editors.xml_text import quoteattr
from cropperhead.editors.xmp import RDF, Packet
from cropperhead.editors.xmp_elements import Element
from cropperhead.geometry.crops import Rectangle
from cropperhead.suggest.reframing import Reframing

_MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
_AREA = "http://ns.adobe.com/xmp/sType/Area#"
_DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_MP = "http://ns.microsoft.com/photo/1.2/"
_MP_INFO, _MP_REGION = _MP + "t/RegionInfo#", _MP + "t/Region#"
_MWG_NAMES = ("Name", "Type", "Description", "FocusUsage", "BarCodeValue")
_MP_NAMES = ("PersonDisplayName", "PersonEmailDigest", "PersonLiveIdCID", "PersonSourceID")
_ASPECT_TOLERANCE = 0.02  # the size that regions were measured at may be rounded
_LARGEST = 1e9
_DECIMALS = 6  # of a fraction: 0.01 px of 10,000


@dataclass(frozen=True)
class _Region:
    """One region as it is in the copy: its description's values and its place in px."""

    values: Mapping[str, str]
    place: Rectangle


def moved_regions(packet: Packet, reframing: Reframing) -> str:
    """Make a description of the regions that are in the copy; empty if none is."""
    mwg = [_mwg_text(regions, reframing.size) for regions in _mwg_regions(packet, reframing)]
    mp = [_mp_text(regions, reframing.size) for regions in _mp_regions(packet, reframing)]
    if not mwg and not mp:
        return ""
    scopes = {"rdf": RDF, "mwg-rs": _MWG, "stArea": _AREA, "stDim": _DIMENSIONS}
    scopes |= {"MP": _MP, "MPRI": _MP_INFO, "MPReg": _MP_REGION}
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in scopes.items())
    return f'<rdf:Description rdf:about=""{declared}>{"".join([*mwg, *mp])}</rdf:Description>'


def _mwg_regions(packet: Packet, reframing: Reframing) -> list[list[_Region]]:
    found = []
    for info in _structures(packet, _MWG, "Regions"):
        size = info.child(_MWG, "AppliedToDimensions")
        if size is not None and not _agrees(_struct(size).properties(_DIMENSIONS), reframing):
            continue
        regions = [_mwg_region(item, reframing) for item in _items(info, _MWG, "RegionList")]
        found.append([region for region in regions if region is not None])
    return [regions for regions in found if regions]


def _mwg_region(item: Element, reframing: Reframing) -> _Region | None:
    area = item.child(_MWG, "Area")
    values = {} if area is None else _struct(area).properties(_AREA)
    numbers = _numbers(values.get(name, "0") for name in ("x", "y", "w", "h"))
    if len(numbers) != 4 or "d" in values or not {"x", "y"} <= set(values):  # a circle
        return None
    x, y, width, height = numbers
    return _moved(item, _MWG, _MWG_NAMES, (x - width / 2, y - height / 2, width, height), reframing)


def _mp_regions(packet: Packet, reframing: Reframing) -> list[list[_Region]]:
    found = []
    for info in _structures(packet, _MP, "RegionInfo"):
        regions = [_mp_region(item, reframing) for item in _items(info, _MP_INFO, "Regions")]
        found.append([region for region in regions if region is not None])
    return [regions for regions in found if regions]


def _mp_region(item: Element, reframing: Reframing) -> _Region | None:
    text = item.properties(_MP_REGION).get("Rectangle", "")
    numbers = _numbers(text.split(","))
    return _moved(item, _MP_REGION, _MP_NAMES, numbers, reframing) if len(numbers) == 4 else None


def _moved(
    item: Element,
    namespace: str,
    names: Sequence[str],
    box: Sequence[float],
    reframing: Reframing,
) -> _Region | None:
    """A region, by its left, top, width and height in fractions of the stored frame."""
    left, top, width, height = box
    frame_width, frame_height = reframing.stored
    place = reframing.moved(
        Rectangle(
            (left + width / 2) * frame_width,
            (top + height / 2) * frame_height,
            width * frame_width,
            height * frame_height,
            0,
        )
    )
    values = item.properties(namespace)
    kept = {name: values[name] for name in names if name in values}
    return None if place is None else _Region(kept, place)


def _mwg_text(regions: Sequence[_Region], size: tuple[int, int]) -> str:
    width, height = size
    items = "".join(
        f"<rdf:li><rdf:Description{_attributes('mwg-rs', region.values)}>"
        f"<mwg-rs:Area{_attributes('stArea', _area(region.place, size))}/>"
        "</rdf:Description></rdf:li>"
        for region in regions
    )
    return (
        '\n  <mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions '
        f'stDim:w="{width}" stDim:h="{height}" stDim:unit="pixel"/>'
        f"<mwg-rs:RegionList><rdf:Bag>{items}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )


def _area(place: Rectangle, size: tuple[int, int]) -> dict[str, str]:
    width, height = size
    point = {"x": _text(place.centre_x / width), "y": _text(place.centre_y / height)}
    sides = {"w": _text(place.width / width), "h": _text(place.height / height)}
    return point | (sides if place.width and place.height else {}) | {"unit": "normalized"}


def _mp_text(regions: Sequence[_Region], size: tuple[int, int]) -> str:
    items = "".join(
        f"<rdf:li{_attributes('MPReg', {**region.values, 'Rectangle': _box(region.place, size)})}/>"
        for region in regions
    )
    return (
        '\n  <MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>'
        f"{items}</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
    )


def _box(place: Rectangle, size: tuple[int, int]) -> str:
    width, height = size
    left, top = place.centre_x - place.width / 2, place.centre_y - place.height / 2
    numbers = (left / width, top / height, place.width / width, place.height / height)
    return ", ".join(map(_text, numbers))


def _attributes(prefix: str, values: Mapping[str, str]) -> str:
    return "".join(f" {prefix}:{name}={quoteattr(value)}" for name, value in values.items())


def _text(number: float) -> str:
    return f"{number:.{_DECIMALS}f}"


def _agrees(size: Mapping[str, str], reframing: Reframing) -> bool:
    """Whether regions were measured in a frame of the same shape as the stored one."""
    sides = _numbers(size.get(name, "") for name in ("w", "h"))
    if len(sides) != 2 or min(sides) <= 0:
        return False
    width, height = reframing.stored
    return abs(sides[0] / sides[1] / (width / height) - 1) <= _ASPECT_TOLERANCE


def _numbers(texts: Iterable[str]) -> list[float]:
    """The numbers, or none if one of the texts is not a number of a sensible size."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return []
    return numbers if all(abs(number) <= _LARGEST for number in numbers) else []


def _structures(packet: Packet, namespace: str, local: str) -> list[Element]:
    children = [child for one in packet.descriptions for child in one.children]
    return [_struct(child) for child in children if child.is_named(namespace, local)]


def _struct(element: Element) -> Element:
    """The element that holds a structure's fields: itself, or a description within."""
    return element.child(RDF, "Description") or element


def _items(struct: Element, namespace: str, local: str) -> list[Element]:
    """The structures in a list, whether it is ordered or not."""
    holder = struct.child(namespace, local)
    lists = [] if holder is None else holder.children
    return [_struct(item) for each in lists for item in each.children if item.is_named(RDF, "li")]
