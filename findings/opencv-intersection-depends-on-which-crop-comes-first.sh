#!/usr/bin/env bash
# cv2.rotatedRectangleIntersection of two crops that nearly coincide depends on which of them comes first.
#
# Expected: the intersection of a rectangle with a slightly smaller one inside it is the smaller one, in any order, so
# that the overlap (intersection over union) of two crops is symmetric and at most 1.
# Seen: if the larger one comes first, it is returned whole. A crop of 6,000 x 4,000 px then overlaps one of
# 5,955 x 3,970 px, in its middle, by 1.015 in place of 0.985; the other way round it is right. From some 34 px of
# difference in height on, both are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" \
  opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import cv2


def crop(height):
    """An untilted crop of shape 3:2 around the middle of a photo of 6,000 x 4,000 px: centre, size, angle."""
    return (3000.0, 2000.0), (1.5 * height, float(height)), 0.0


def area(rectangle):
    _, (width, height), _ = rectangle
    return width * height


def overlap(one, other):
    _, corners = cv2.rotatedRectangleIntersection(one, other)
    shared = cv2.contourArea(cv2.convexHull(corners))
    return shared / (area(one) + area(other) - shared)


print("OpenCV", cv2.__version__)
large = crop(4000)
found = {}
for height in (3995, 3970, 3960):
    small = crop(height)
    found[height] = overlap(large, small), overlap(small, large), area(small) / area(large)
    print(f"4,000 and {height} px high: larger first {found[height][0]:.4f}, smaller first {found[height][1]:.4f}, "
          f"expected {found[height][2]:.4f}")
for first, second, expected in found.values():
    assert abs(second - expected) < 1e-6, "with the smaller one first it is wrong now"
assert found[3970][0] > 1.01 and found[3995][0] > 1, "with the larger one first it is right now"
assert abs(found[3960][0] - found[3960][2]) < 1e-6, "also crops that differ more are taken for the same now"
PYTHON
