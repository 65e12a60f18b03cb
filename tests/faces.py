"""Faces, drawn: no photo of a person is part of the project."""

from PIL import Image, ImageDraw, ImageFilter

_SKIN, _HAIR = (224, 172, 140), (60, 40, 25)


def draw_face(size, x, y, radius):
    """A portrait of `size` px, with a face that reaches `radius` px to each side of (x, y)."""
    image = Image.new("RGB", size, (90, 120, 90))
    pen = ImageDraw.Draw(image)

    def box(centre_x, centre_y, half_width, half_height):
        low = (x + (centre_x - half_width) * radius, y + (centre_y - half_height) * radius)
        return *low, low[0] + 2 * half_width * radius, low[1] + 2 * half_height * radius

    pen.rectangle(box(0, 2.7, 1.6, 1.3), fill=(40, 50, 110))  # shoulders
    pen.rectangle(box(0, 1.2, 0.35, 0.4), fill=(200, 150, 120))  # neck
    pen.ellipse(box(0, -0.25, 1, 1.2), fill=_HAIR)
    pen.ellipse(box(0, 0.05, 0.8, 1.08), fill=_SKIN)
    for side in (-0.33, 0.33):
        pen.ellipse(box(side, -0.18, 0.2, 0.1), fill=(245, 245, 245))
        pen.ellipse(box(side, -0.18, 0.09, 0.09), fill=(40, 25, 20))
        pen.rectangle(box(side, -0.385, 0.22, 0.035), fill=_HAIR)  # brow
    nose = [(0, -0.1), (-0.13, 0.28), (0.13, 0.28)]
    pen.polygon(
        [(x + across * radius, y + down * radius) for across, down in nose], (200, 145, 115)
    )
    pen.ellipse(box(0, 0.58, 0.3, 0.1), fill=(170, 70, 70))  # mouth
    return image.filter(ImageFilter.GaussianBlur(2))
