"""Profiles as RawTherapee writes them."""

from cropperhead.editors.profile import Settings


def format_profile(settings: Settings) -> str:
    """The text of a profile: `parse` reversed."""
    blocks = [
        "\n".join([f"[{section}]", *(f"{key}={value}" for key, value in keys.items())])
        for section, keys in settings.items()
    ]
    return "\n\n".join(blocks) + "\n"
