"""XMP packets as Lightroom writes them, with attributes or elements."""

from collections.abc import Mapping

from cropperhead.editors.lightroom import NAMESPACE

_HEAD = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="CropperHead demo library">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:crs="{namespace}"{attributes}>{elements}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""

Value = bool | int | float | str


def xmp_packet(settings: Mapping[str, Value], orientation: int, elements: bool) -> bytes:
    """Return a packet with Camera Raw settings (tag without namespace -> value) and orientation."""
    tags = {"tiff:Orientation": str(orientation), "crs:HasSettings": "True"}
    tags |= {f"crs:{tag}": _format_value(value) for tag, value in settings.items()}
    in_attributes = "".join(f'\n   {tag}="{value}"' for tag, value in tags.items())
    in_elements = "".join(f"\n   <{tag}>{value}</{tag}>" for tag, value in tags.items())
    text = _HEAD.format(
        namespace=NAMESPACE,
        attributes="" if elements else in_attributes,
        elements=in_elements if elements else "",
    )
    return text.encode("utf-8")


def _format_value(value: Value) -> str:
    """Format numbers as Lightroom does, with up to six decimals and no trailing zeros."""
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value)
