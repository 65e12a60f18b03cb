"""The XMP of a cropped copy: the properties that are still true of it, and no others.

What is not listed is dropped, whoever wrote it: previews, depth and gain maps, histories, masks and
crops, which show the whole photo or point into its frame. Sources: the namespaces' specifications
by Adobe, IPTC, CIPA and the Metadata Working Group; ExifTool's tables of others.
"""

import re
from collections.abc import Iterator, Mapping

from cropperhead.editors import lightroom
from cropperhead.editors.xml_text import quoteattr
from cropperhead.editors.xmp import RDF, Packet
from cropperhead.editors.xmp_elements import Element, resolve_name
from cropperhead.geometry import orientation
from cropperhead.suggest import copied_exif, copied_regions
from cropperhead.suggest.reframing import Reframing

_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
_DC = "http://purl.org/dc/elements/1.1/"
_IPTC_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
_IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
# Part 1 of Adobe's XMP specification, 7.3.2
_BEGINNING = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="CropperHead"><rdf:RDF xmlns:rdf="{RDF}">',
)
_END = ("</rdf:RDF></x:xmpmeta>", '<?xpacket end="w"?>')
_EXIF_NAMES = (
    f"{copied_exif.EXPOSURE} SubSecTime SubSecTimeOriginal SubSecTimeDigitized FlashpixVersion "
    "PhotographicSensitivity InteroperabilityIndex Temperature"
)
# The settings of colour and tone, which do not depend on the place in the picture. AlreadyApplied
# says whether the pixels have them.
_SETTINGS = (
    r"(Compatible|Process)?Version|HasSettings|AlreadyApplied|WhiteBalance|ColorTemperature"
    r"|(Incremental)?(Temperature|Tint)|(Exposure|Contrast|Clarity|Shadows|Highlights)(2012)?"
    r"|(Whites|Blacks)2012|Texture|Dehaze|Vibrance|Saturation|Brightness|FillLight|ShadowTint"
    r"|HighlightRecovery|Auto(Brightness|Contrast|Exposure|Shadows|Tone)|Parametric\w+|Sharp\w+"
    r"|Smoothness|(Luminance|Color)(NoiseReduction\w*|Smoothing)|MoireFilter|Defringe\w*"
    r"|(Hue|Saturation|Luminance)Adjustment\w+|(Red|Green|Blue)(Hue|Saturation)|GrayMixer\w+"
    r"|SplitToning\w+|ColorGrade\w+|PointColors|ConvertToGrayscale|ToneCurve\w*|ToneMapStrength"
    r"|CameraProfile(Digest)?|Look|Grain\w+|PostCropVignette\w+|(HDR|SDR)\w+"
)


def _names(text: str) -> str:
    return text.replace(" ", "|")


_ALLOWED: Mapping[str, str] = {  # a pattern of names for each namespace
    _DC: _names(
        "contributor creator date description identifier language publisher relation rights source "
        "subject title type"
    ),
    "http://ns.adobe.com/xap/1.0/": _names(
        "CreateDate CreatorTool Label MetadataDate ModifyDate Nickname Rating"
    ),
    "http://ns.adobe.com/xap/1.0/rights/": r"\w+",
    "http://ns.adobe.com/xap/1.0/mm/": "OriginalDocumentID",
    _PHOTOSHOP: _names(
        "AuthorsPosition CaptionWriter Category Credit DateCreated Headline Instructions Source "
        "SupplementalCategories TransmissionReference Urgency"
    ),
    _IPTC_CORE: _names(
        "AltTextAccessibility CreatorContactInfo ExtDescrAccessibility IntellectualGenre Scene "
        "SubjectCode"
    ),
    _IPTC_EXTENSION: _names(
        "AboutCvTerm AddlModelInfo ArtworkOrObject Contributor CopyrightYear Creator "
        "DigitalSourceType DigitalSourcefileType Event EventExt EventId Genre ModelAge "
        "OrganisationInImageCode OrganisationInImageName PersonInImage PersonInImageWDetails "
        "ProductInImage"
    ),
    "http://ns.useplus.org/ldf/xmp/1.0/": r"\w+",
    _TIFF: _names(copied_exif.DESCRIPTIVE),
    _EXIF: _names(_EXIF_NAMES),
    "http://cipa.jp/exif/1.0/": _names(_EXIF_NAMES),
    "http://ns.adobe.com/exif/1.0/aux/": _names(
        "ApproximateFocusDistance DistortionCorrectionAlreadyApplied Firmware FlashCompensation "
        "ImageNumber LateralChromaticAberrationCorrectionAlreadyApplied Lens LensID LensInfo "
        "LensSerialNumber NeutralDensityFactor OwnerName SerialNumber "
        "VignetteCorrectionAlreadyApplied"
    ),
    "http://ns.adobe.com/lightroom/1.0/": "hierarchicalSubject|weightedFlatSubject",
    "http://www.digikam.org/ns/1.0/": _names(
        "CaptionsAuthorNames CaptionsDateTimeStamps ColorLabel PickLabel TagsList"
    ),
    "http://ns.microsoft.com/photo/1.0/": _names(
        "CameraSerialNumber DateAcquired FlashManufacturer FlashModel LastKeywordIPTC "
        "LastKeywordXMP LensManufacturer LensModel Rating"
    ),
    "http://www.metadataworkinggroup.com/schemas/keywords/": "Keywords",
    lightroom.NAMESPACE: _SETTINGS,
}
_LOCATION: Mapping[str, str] = {  # the same, of what tells where the photo was taken
    _DC: "coverage",
    _PHOTOSHOP: _names("City Country State"),
    _IPTC_CORE: "CountryCode|Location",
    _IPTC_EXTENSION: "LocationCreated|LocationShown",
    _EXIF: r"GPS\w+",
}


def descriptive_packet(xmp: bytes, reframing: Reframing, with_location: bool) -> bytes:
    """Make a new packet of what is true of a cropped copy; empty if nothing is.

    Raises RejectedFile (`broken_xmp`) for XMP that cannot be parsed.
    """
    packet = Packet(xmp.rstrip(b"\0"))
    allowed = [_ALLOWED, _LOCATION] if with_location else [_ALLOWED]
    blocks = [_copied(packet.text, one, allowed) for one in packet.descriptions]
    blocks += [_corrected(packet, reframing), copied_regions.moved_regions(packet, reframing)]
    blocks = [block for block in blocks if block]
    return "\n".join([*_BEGINNING, *blocks, *_END]).encode() if blocks else b""


def _copied(text: bytes, one: Element, allowed: list[Mapping[str, str]]) -> str:
    """A description with only the allowed properties, as they are written."""
    attributes = [
        text[blank:end]
        for raw, (blank, _, end, _) in one.attributes.items()
        if _is_allowed(resolve_name(raw, one.scope), allowed)
    ]
    children = [
        text[child.start : child.end]
        for child in one.children
        if _is_allowed(resolve_name(child.raw, child.scope), allowed)
    ]
    if not attributes and not children:
        return ""
    scopes = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in one.scope.items())
    about = f'{one.raw.partition(":")[0]}:about=""'
    inner = b"".join(b"\n  " + child for child in children).decode()
    return f"<{one.raw} {about}{scopes}{b''.join(attributes).decode()}>{inner}</{one.raw}>"


def _is_allowed(name: tuple[str, str], allowed: list[Mapping[str, str]]) -> bool:
    namespace, local = name
    return any(re.fullmatch(one.get(namespace, ""), local, re.ASCII) for one in allowed)


def _corrected(packet: Packet, reframing: Reframing) -> str:
    """A description with the orientation and the sizes, where the packet has them."""
    width, height = map(str, reframing.size)
    values = {
        (_TIFF, "tiff", "Orientation"): str(orientation.UPRIGHT),
        (_TIFF, "tiff", "ImageWidth"): width,
        (_TIFF, "tiff", "ImageLength"): height,
        (_EXIF, "exif", "PixelXDimension"): width,
        (_EXIF, "exif", "PixelYDimension"): height,
    }
    present = set(_properties(packet))
    attributes = [
        f'{prefix}:{local}="{value}"'
        for (namespace, prefix, local), value in values.items()
        if (namespace, local) in present
    ]
    if not attributes:
        return ""
    scopes = f'xmlns:rdf="{RDF}" xmlns:tiff="{_TIFF}" xmlns:exif="{_EXIF}"'
    return f'<rdf:Description rdf:about="" {scopes} {" ".join(attributes)}/>'


def _properties(packet: Packet) -> Iterator[tuple[str, str]]:
    for one in packet.descriptions:
        yield from (resolve_name(raw, one.scope) for raw in one.attributes)
        yield from (resolve_name(child.raw, child.scope) for child in one.children)
