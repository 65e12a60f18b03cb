/**
 * Crop geometry, as `cropperhead.geometry` and `cropperhead.inference.boxes` define it.
 *
 * A crop has limits in fractions of the displayed photo's sides, before it is turned about its
 * centre by `angle` degrees, clockwise if positive. `aspect` is the photo's width / height. Boxes
 * are [top, left, bottom, right]. Lengths are in units of the photo's height.
 */

/**
 * @typedef {{top: number, left: number, bottom: number, right: number, angle: number}} Crop
 * @typedef {[number, number, number, number]} Box
 * @typedef {[number, number]} Point
 */

/** @type {Readonly<Crop>} */
export const WHOLE = Object.freeze({ top: 0, left: 0, bottom: 1, right: 1, angle: 0 });

export const SMALLEST = 1e-12;

/** @param {Crop} crop @returns {Box} */
export const box = (crop) => [crop.top, crop.left, crop.bottom, crop.right];

/** @param {Box} limits @param {number} angle @returns {Crop} */
export function cropOf([top, left, bottom, right], angle) {
  return { top, left, bottom, right, angle };
}

/** @param {Crop} one @param {Crop} other */
export function isSame(one, other) {
  const names = /** @type {(keyof Crop)[]} */ (Object.keys(WHOLE));
  return names.every((name) => Math.abs(one[name] - other[name]) < 1e-9);
}

/** @param {number} degrees */
export const radians = (degrees) => (degrees * Math.PI) / 180;

/**
 * The corners in units of the photo's height, clockwise from the top left.
 * @param {Crop} crop @param {number} aspect @returns {Point[]}
 */
export function corners(crop, aspect) {
  const x = ((crop.left + crop.right) / 2) * aspect;
  const y = (crop.top + crop.bottom) / 2;
  const halfWidth = ((crop.right - crop.left) / 2) * aspect;
  const halfHeight = (crop.bottom - crop.top) / 2;
  const cosine = Math.cos(radians(crop.angle));
  const sine = Math.sin(radians(crop.angle));
  return [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([right, down]) => {
    const across = right * halfWidth;
    const along = down * halfHeight;
    return [x + across * cosine - along * sine, y + across * sine + along * cosine];
  });
}

/**
 * How far the farthest corner is outside the photo, as a fraction of its side.
 * @param {Crop} crop @param {number} aspect
 */
export function outside(crop, aspect) {
  const places = corners(crop, aspect).flatMap(([x, y]) => [x / aspect, y]);
  return Math.max(0, ...places.map((place) => Math.max(-place, place - 1)));
}

/**
 * The crop, shrunk about its centre just enough that every corner is inside.
 * @param {Crop} crop @param {number} aspect @returns {Crop}
 */
export function insideFrame(crop, aspect) {
  const x = ((crop.left + crop.right) / 2) * aspect;
  const y = (crop.top + crop.bottom) / 2;
  const points = corners(crop, aspect);
  const reachX = Math.max(...points.map((point) => Math.abs(point[0] - x)));
  const reachY = Math.max(...points.map((point) => Math.abs(point[1] - y)));
  const scale = Math.min(
    1,
    Math.min(x, aspect - x) / Math.max(reachX, SMALLEST),
    Math.min(y, 1 - y) / Math.max(reachY, SMALLEST),
  );
  if (scale === 1) return { ...crop };
  const middle = [(crop.top + crop.bottom) / 2, (crop.left + crop.right) / 2];
  const half = [((crop.bottom - crop.top) / 2) * scale, ((crop.right - crop.left) / 2) * scale];
  return cropOf(
    [middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]],
    crop.angle,
  );
}

/**
 * A function that shrinks boxes turned by an angle where they are too large for the photo, and
 * moves them into it. Sides keep their ratio; those that are inside out become 0.
 * @param {number} angle @param {number} aspect @returns {(limits: Box) => Box}
 */
export function fitter(angle, aspect) {
  const sine = Math.abs(Math.sin(radians(angle)));
  const cosine = Math.abs(Math.cos(radians(angle)));
  return ([top, left, bottom, right]) => {
    const height = Math.max(bottom - top, 0);
    const width = Math.max(right - left, 0);
    // half the sides of the upright rectangle around the turned one
    const down = (height * cosine + width * sine * aspect) / 2;
    const across = ((height * sine) / aspect + width * cosine) / 2;
    const shrunk = Math.min(1, 0.5 / Math.max(down, across, 0.5));
    const y = clamp((top + bottom) / 2, down * shrunk, 1 - down * shrunk);
    const x = clamp((left + right) / 2, across * shrunk, 1 - across * shrunk);
    const halfHeight = (height * shrunk) / 2;
    const halfWidth = (width * shrunk) / 2;
    return [y - halfHeight, x - halfWidth, y + halfHeight, x + halfWidth];
  };
}

/**
 * The crop with its sides multiplied, about its centre as far as the photo allows.
 * @param {Crop} crop @param {number} factor @param {number} aspect @returns {Crop}
 */
export function resizeCrop(crop, factor, aspect) {
  const y = (crop.top + crop.bottom) / 2;
  const x = (crop.left + crop.right) / 2;
  const halfHeight = (Math.max(crop.bottom - crop.top, 0) * factor) / 2;
  const halfWidth = (Math.max(crop.right - crop.left, 0) * factor) / 2;
  const fit = fitter(crop.angle, aspect);
  return cropOf(fit([y - halfHeight, x - halfWidth, y + halfHeight, x + halfWidth]), crop.angle);
}

/**
 * A box turned by an angle, in axes turned alike, in which it is upright.
 * @param {Box} limits @param {number} angle @param {number} aspect @returns {Box}
 */
export function turnBack([top, left, bottom, right], angle, aspect) {
  const sine = Math.sin(radians(angle));
  const cosine = Math.cos(radians(angle));
  const y = (top + bottom) / 2;
  const x = ((left + right) / 2) * aspect;
  const down = y * cosine - x * sine;
  const across = y * sine + x * cosine;
  const halfHeight = Math.max(bottom - top, 0) / 2;
  const halfWidth = (Math.max(right - left, 0) * aspect) / 2;
  return [down - halfHeight, across - halfWidth, down + halfHeight, across + halfWidth];
}

/** The inverse of `turnBack`: a box in fractions of the photo's sides. @param {Box} limits @param {number} angle @param {number} aspect @returns {Box} */
export function turnForth([top, left, bottom, right], angle, aspect) {
  const sine = Math.sin(radians(angle));
  const cosine = Math.cos(radians(angle));
  const down = (top + bottom) / 2;
  const across = (left + right) / 2;
  const y = down * cosine + across * sine;
  const x = (across * cosine - down * sine) / aspect;
  const halfHeight = Math.max(bottom - top, 0) / 2;
  const halfWidth = Math.max(right - left, 0) / aspect / 2;
  return [y - halfHeight, x - halfWidth, y + halfHeight, x + halfWidth];
}

/** The overlap (intersection over union) of two boxes that are not turned. @param {Box} one @param {Box} other */
export function boxOverlap(one, other) {
  const down = Math.max(Math.min(one[2], other[2]) - Math.max(one[0], other[0]), 0);
  const across = Math.max(Math.min(one[3], other[3]) - Math.max(one[1], other[1]), 0);
  const shared = down * across;
  return shared / Math.max(boxArea(one) + boxArea(other) - shared, SMALLEST);
}

/** @param {Box} limits */
export function boxArea([top, left, bottom, right]) {
  return Math.max(bottom - top, 0) * Math.max(right - left, 0);
}

/**
 * The overlap (intersection over union) of two crops, turned or not.
 * @param {Crop} one @param {Crop} other @param {number} aspect
 */
export function overlap(one, other, aspect) {
  const first = corners(one, aspect);
  const second = corners(other, aspect);
  const shared = area(intersect(first, second));
  const union = area(first) + area(second) - shared;
  return union > 0 ? Math.min(1, Math.max(0, shared / union)) : 0;
}

/** What two convex polygons share (Sutherland and Hodgman). @param {Point[]} polygon @param {Point[]} other */
function intersect(polygon, other) {
  let rest = polygon;
  other.forEach((start, index) => {
    const end = other[(index + 1) % other.length];
    /** @param {Point} point */
    const side = (point) =>
      (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0]);
    rest = rest.flatMap((point, place) => {
      const before = rest[(place + rest.length - 1) % rest.length];
      const here = side(point);
      const there = side(before);
      const crosses = here >= 0 !== there >= 0;
      const share = there / (there - here);
      /** @type {Point} */
      const crossing = [
        before[0] + share * (point[0] - before[0]),
        before[1] + share * (point[1] - before[1]),
      ];
      return [...(crosses ? [crossing] : []), ...(here >= 0 ? [point] : [])];
    });
  });
  return rest;
}

/** @param {Point[]} polygon */
function area(polygon) {
  const twice = polygon.reduce((sum, [x, y], index) => {
    const [nextX, nextY] = polygon[(index + 1) % polygon.length];
    return sum + x * nextY - y * nextX;
  }, 0);
  return Math.abs(twice) / 2;
}

/**
 * Left, top, right and bottom in pixels of the upright photo, before it is turned.
 * @param {Crop} crop @param {number} width @param {number} height
 */
export function pixels(crop, width, height) {
  const left = roundHalfEven(crop.left * width);
  const top = roundHalfEven(crop.top * height);
  return {
    left,
    top,
    right: Math.max(roundHalfEven(crop.right * width), left + 1),
    bottom: Math.max(roundHalfEven(crop.bottom * height), top + 1),
  };
}

/** As Python and NumPy round: half to even. @param {number} value */
export function roundHalfEven(value) {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** To twelve decimals: smaller differences are rounding, and must not decide. @param {number} value */
export const rounded = (value) => roundHalfEven(value * 1e12) / 1e12;

/** @param {number} value @param {number} least @param {number} most */
export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

/** Where each EXIF orientation shows the stored point (u, v). @type {Record<number, (u: number, v: number) => Point>} */
const SHOWN_AT = {
  1: (u, v) => [u, v],
  2: (u, v) => [1 - u, v],
  3: (u, v) => [1 - u, 1 - v],
  4: (u, v) => [u, 1 - v],
  5: (u, v) => [v, u],
  6: (u, v) => [1 - v, u],
  7: (u, v) => [1 - v, 1 - u],
  8: (u, v) => [v, 1 - u],
};

/**
 * Where a photo's pixels are shown: the matrix (as a canvas takes it) from places in px of the stored
 * photo to those of the displayed one.
 * @param {number} orientation EXIF's, 1 to 8 @param {number} width of the stored photo in px
 * @param {number} height @returns {[number, number, number, number, number, number]}
 */
export function turnMatrix(orientation, width, height) {
  const shownAt = SHOWN_AT[orientation];
  const [x, y] = swapsSides(orientation) ? [height, width] : [width, height];
  const [[u, v], [rightU, rightV], [downU, downV]] = [shownAt(0, 0), shownAt(1, 0), shownAt(0, 1)];
  return [rightU - u, rightV - v, downU - u, downV - v, u * x, v * y];
}

/** Whether an EXIF orientation swaps the sides. @param {number} orientation */
export const swapsSides = (orientation) => orientation >= 5 && orientation <= 8;

/**
 * A crop of Lightroom or Camera Raw, of which two corners are given in fractions of the stored
 * photo, as a crop of the displayed one; null for what is none.
 * @param {Record<string, unknown>} settings of Camera Raw by name
 * @param {number} width of the stored photo in px @param {number} height
 * @param {number} orientation EXIF's, 1 to 8
 * @returns {Crop | null}
 */
export function lightroomCrop(settings, width, height, orientation) {
  const names = ["CropTop", "CropLeft", "CropBottom", "CropRight"];
  const [top, left, bottom, right] = names.map((name) => Number(settings[name] ?? NaN));
  const angle = Number(settings.CropAngle ?? 0);
  const isWhole = top === 0 && left === 0 && bottom === 1 && right === 1 && angle === 0;
  const numbers = [top, left, bottom, right, angle];
  const isUsable = numbers.every(Number.isFinite) && Math.abs(angle) <= 45;
  if (!isTrue(settings.HasCrop) || isTrue(settings.AlreadyApplied) || isWhole || !isUsable) {
    return null;
  }
  const across = (right - left) * width;
  const down = (bottom - top) * height;
  const cosine = Math.cos(radians(angle));
  const sine = Math.sin(radians(angle));
  const sides = [across * cosine + down * sine, -across * sine + down * cosine];
  if (!(sides[0] > 0 && sides[1] > 0)) return null;
  const [x, y] = SHOWN_AT[orientation]((left + right) / 2, (top + bottom) / 2);
  const swaps = swapsSides(orientation);
  const [shownWidth, shownHeight] = swaps ? [height, width] : [width, height];
  const halfWidth = sides[swaps ? 1 : 0] / shownWidth / 2;
  const halfHeight = sides[swaps ? 0 : 1] / shownHeight / 2;
  const mirrors = [2, 4, 5, 7].includes(orientation);
  const crop = {
    top: onEdge(y - halfHeight, 1 / shownHeight),
    left: onEdge(x - halfWidth, 1 / shownWidth),
    bottom: onEdge(y + halfHeight, 1 / shownHeight),
    right: onEdge(x + halfWidth, 1 / shownWidth),
    angle: mirrors ? -angle : angle,
  };
  const isInside = outside(crop, shownWidth / shownHeight) * Math.max(width, height) <= 2;
  return isInside ? crop : null;
}

/** @param {unknown} value */
const isTrue = (value) => ["true", "1"].includes(String(value).trim().toLowerCase());

/** @param {number} limit @param {number} tolerance */
function onEdge(limit, tolerance) {
  const edge = clamp(limit, 0, 1);
  return Math.abs(limit - edge) <= tolerance ? edge : limit;
}
