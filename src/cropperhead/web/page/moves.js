/**
 * What a person does to a crop: drag it, its edges and corners, turn it, give it a shape. Each
 * function returns a new crop that is within the photo. Where somebody wants more than that, the
 * crop goes as far as it can, towards what was wanted.
 *
 * A drag starts from the crop as it was when it began, and is described by how far the pointer is
 * from there. So a crop that is dragged out of bounds and back is what it was.
 *
 * A turned crop is upright in axes (u, v) that are turned with it. Every corner is within the photo
 * where the corners of a rectangle keep to four lines: these are linear in its edges.
 */

import { clamp, cropOf, fitter, radians } from "./crops.js";

/**
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {import("./crops.js").Box} Box
 * @typedef {{u: number, v: number}} Turned a distance in axes turned with the crop, in photo heights
 * @typedef {{x: -1 | 0 | 1, y: -1 | 0 | 1}} Handle which edges it drags: x 1 is the right one
 * @typedef {{a: number, b: number, most: number}} Limit a * p + b * q <= most
 * @typedef {{u: number, v: number, most: number}} Line u * U + v * V <= most, within the photo
 * @typedef {{left: number, top: number, right: number, bottom: number}} Rectangle in (u, v)
 */

export const MOST_ANGLE = 45;
/** Of the photo's shorter side. */
export const LEAST_SIDE = 0.02;
const ROUNDING = 1e-12;

/**
 * Drags an edge or a corner. With `ratio` (width / height in px) the shape stays that; `centred`
 * moves the opposite edge alike.
 * @param {Crop} start @param {number} aspect @param {Handle} handle @param {Turned} by
 * @param {{ratio?: number | null, centred?: boolean}} [how] @returns {Crop}
 */
export function dragHandle(start, aspect, handle, by, { ratio = null, centred = false } = {}) {
  const before = turned(start, aspect);
  const width = before.right - before.left;
  const height = before.bottom - before.top;
  const times = centred ? 2 : 1;
  const wanted = { p: width + handle.x * by.u * times, q: height + handle.y * by.v * times };
  const frame = anchored(before, handle, centred, ratio !== null);
  const limits = lines(start.angle, aspect).map((line) => frame.limit(line));
  const least = leastSide(aspect);
  let size;
  if (ratio !== null) {
    size = alongRatio(wanted, ratio, handle, limits, least);
  } else if (handle.x === 0 || handle.y === 0) {
    size = alongOneSide(wanted, handle, limits, least);
  } else {
    const sides = [{ a: -1, b: 0, most: -least }, { a: 0, b: -1, most: -least }];
    size = nearest(wanted, [...limits, ...sides]) ?? { p: width, q: height };
  }
  return untouched(by) ? { ...start } : upright(frame.rectangle(size), start.angle, aspect);
}

/**
 * Moves the whole crop.
 * @param {Crop} start @param {number} aspect @param {Turned} by @returns {Crop}
 */
export function moveCrop(start, aspect, by) {
  if (untouched(by)) return { ...start };
  const before = turned(start, aspect);
  const limits = lines(start.angle, aspect).map((line) => ({
    a: line.u,
    b: line.v,
    most: line.most - reach(line, before),
  }));
  const { p, q } = nearest({ p: by.u, q: by.v }, limits) ?? { p: 0, q: 0 };
  const moved = {
    left: before.left + p,
    right: before.right + p,
    top: before.top + q,
    bottom: before.bottom + q,
  };
  return upright(moved, start.angle, aspect);
}

/**
 * Makes the crop larger or smaller about its centre, in its shape.
 * @param {Crop} start @param {number} aspect @param {number} factor @returns {Crop}
 */
export function scaleCrop(start, aspect, factor) {
  const before = turned(start, aspect);
  const width = before.right - before.left;
  const height = before.bottom - before.top;
  const by = { u: (width * (factor - 1)) / 2, v: (height * (factor - 1)) / 2 };
  return dragHandle(start, aspect, { x: 1, y: 1 }, by, { ratio: width / height, centred: true });
}

/**
 * Turns the crop to an angle in degrees; it is shrunk and moved as little as that takes.
 * @param {Crop} start @param {number} aspect @param {number} angle @returns {Crop}
 */
export function turnCrop(start, aspect, angle) {
  const wanted = clamp(angle, -MOST_ANGLE, MOST_ANGLE);
  if (wanted === start.angle) return { ...start };
  const { top, left, bottom, right } = start;
  return tidy(cropOf(fitter(wanted, aspect)([top, left, bottom, right]), wanted));
}

/**
 * Gives the crop a shape (width / height in px), about its centre and with its area as far as that
 * fits.
 * @param {Crop} start @param {number} aspect @param {number} ratio @returns {Crop}
 */
export function shapeCrop(start, aspect, ratio) {
  const slope = ratio / aspect;
  const area = (start.bottom - start.top) * (start.right - start.left);
  const halfHeight = Math.sqrt(area / slope) / 2;
  const halfWidth = slope * halfHeight;
  const x = (start.left + start.right) / 2;
  const y = (start.top + start.bottom) / 2;
  /** @type {Box} */
  const wanted = [y - halfHeight, x - halfWidth, y + halfHeight, x + halfWidth];
  return tidy(cropOf(fitter(start.angle, aspect)(wanted), start.angle));
}

/**
 * Sets limits as they were typed: as far from the present crop towards them as fits.
 * @param {Crop} start @param {number} aspect @param {Partial<Crop>} typed @returns {Crop}
 */
export function setLimits(start, aspect, typed) {
  if (typed.angle !== undefined) {
    return setLimits(turnCrop(start, aspect, typed.angle), aspect, { ...typed, angle: undefined });
  }
  const names = /** @type {const} */ (["top", "left", "bottom", "right"]);
  const wanted = names.map((name) => typed[name] ?? start[name]);
  const now = names.map((name) => start[name]);
  const share = shareThatFits(now, wanted, start.angle, aspect);
  if (share === 1) return cropOf(/** @type {Box} */ (wanted), start.angle);
  const limits = now.map((limit, index) => limit + share * (wanted[index] - limit));
  return tidy(cropOf(/** @type {Box} */ (limits), start.angle));
}

/** The shape of a crop, width / height in px. @param {Crop} crop @param {number} aspect */
export function ratioOf(crop, aspect) {
  return ((crop.right - crop.left) * aspect) / (crop.bottom - crop.top);
}

/**
 * A distance in the photo's own axes, in photo heights, in axes turned by an angle.
 * @param {number} x @param {number} y @param {number} angle @returns {Turned}
 */
export function inTurnedAxes(x, y, angle) {
  const cosine = Math.cos(radians(angle));
  const sine = Math.sin(radians(angle));
  return { u: cosine * x + sine * y, v: cosine * y - sine * x };
}

/** The way back from `inTurnedAxes`. @param {number} u @param {number} v @param {number} angle */
export function inPhotoAxes(u, v, angle) {
  const { u: x, v: y } = inTurnedAxes(u, v, -angle);
  return { x, y };
}

/** The crop's rectangle in axes turned with it. @param {Crop} crop @param {number} aspect @returns {Rectangle} */
export function turned(crop, aspect) {
  const { u, v } = inTurnedAxes(
    ((crop.left + crop.right) / 2) * aspect,
    (crop.top + crop.bottom) / 2,
    crop.angle,
  );
  const halfWidth = ((crop.right - crop.left) * aspect) / 2;
  const halfHeight = (crop.bottom - crop.top) / 2;
  return { left: u - halfWidth, right: u + halfWidth, top: v - halfHeight, bottom: v + halfHeight };
}

/** @param {Rectangle} rectangle @param {number} angle @param {number} aspect */
function upright({ left, top, right, bottom }, angle, aspect) {
  const { x, y } = inPhotoAxes((left + right) / 2, (top + bottom) / 2, angle);
  const halfWidth = (right - left) / 2 / aspect;
  const halfHeight = (bottom - top) / 2;
  /** @type {Box} */
  const limits = [y - halfHeight, x / aspect - halfWidth, y + halfHeight, x / aspect + halfWidth];
  return tidy(cropOf(limits, angle));
}

/** The crop, with limits that differ from the photo's edges by rounding put there. @param {Crop} crop @returns {Crop} */
function tidy(crop) {
  /** @param {number} limit */
  const tidied = (limit) => {
    const edge = clamp(limit, 0, 1);
    const isNear = Math.abs(limit) < ROUNDING || Math.abs(limit - 1) < ROUNDING;
    return isNear ? Math.round(limit) : crop.angle === 0 ? edge : limit;
  };
  return {
    top: tidied(crop.top),
    left: tidied(crop.left),
    bottom: tidied(crop.bottom),
    right: tidied(crop.right),
    angle: crop.angle,
  };
}

/** The photo's four edges in axes turned by an angle. @param {number} angle @param {number} aspect @returns {Line[]} */
function lines(angle, aspect) {
  const cosine = Math.cos(radians(angle));
  const sine = Math.sin(radians(angle));
  return [
    { u: cosine, v: -sine, most: aspect },
    { u: -cosine, v: sine, most: 0 },
    { u: sine, v: cosine, most: 1 },
    { u: -sine, v: -cosine, most: 0 },
  ];
}

/** How far a rectangle reaches towards a line. @param {Line} line @param {Rectangle} rectangle */
function reach({ u, v }, { left, top, right, bottom }) {
  return u * (u > 0 ? right : left) + v * (v > 0 ? bottom : top);
}

/** @param {number} aspect */
const leastSide = (aspect) => LEAST_SIDE * Math.min(aspect, 1);

/** @param {Turned} by */
const untouched = (by) => by.u === 0 && by.v === 0;

/**
 * Rectangles that share what does not move: with width p and height q, from `anchor` by the shares
 * in `low` and `high` of them.
 * @param {Rectangle} before @param {Handle} handle @param {boolean} centred @param {boolean} keepsShape
 */
function anchored(before, handle, centred, keepsShape) {
  const across = anchor(before.left, before.right, handle.x, centred, keepsShape);
  const down = anchor(before.top, before.bottom, handle.y, centred, keepsShape);
  return {
    /** @param {{p: number, q: number}} size @returns {Rectangle} */
    rectangle: ({ p, q }) => ({
      left: across.at + across.low * p,
      right: across.at + across.high * p,
      top: down.at + down.low * q,
      bottom: down.at + down.high * q,
    }),
    /** @param {Line} line @returns {Limit} */
    limit: (line) => ({
      a: line.u * (line.u > 0 ? across.high : across.low),
      b: line.v * (line.v > 0 ? down.high : down.low),
      most: line.most - line.u * across.at - line.v * down.at,
    }),
  };
}

/** @param {number} low @param {number} high @param {-1 | 0 | 1} side @param {boolean} centred @param {boolean} keepsShape */
function anchor(low, high, side, centred, keepsShape) {
  if (centred || (side === 0 && keepsShape)) return { at: (low + high) / 2, low: -0.5, high: 0.5 };
  return side < 0 ? { at: high, low: -1, high: 0 } : { at: low, low: 0, high: 1 };
}

/** @param {{p: number, q: number}} wanted @param {number} ratio @param {Handle} handle @param {Limit[]} limits @param {number} least */
function alongRatio(wanted, ratio, handle, limits, least) {
  let height = (ratio * wanted.p + wanted.q) / (ratio * ratio + 1);
  if (handle.y === 0) height = wanted.p / ratio;
  if (handle.x === 0) height = wanted.q;
  const along = limits.map(({ a, b, most }) => ({ slope: a * ratio + b, most }));
  const q = clamp(height, Math.max(least, least / ratio), mostOf(along));
  return { p: q * ratio, q };
}

/** @param {{p: number, q: number}} wanted @param {Handle} handle @param {Limit[]} limits @param {number} least */
function alongOneSide(wanted, handle, limits, least) {
  if (handle.x !== 0) {
    const along = limits.map(({ a, b, most }) => ({ slope: a, most: most - b * wanted.q }));
    return { p: clamp(wanted.p, least, Math.max(least, mostOf(along))), q: wanted.q };
  }
  const along = limits.map(({ a, b, most }) => ({ slope: b, most: most - a * wanted.p }));
  return { p: wanted.p, q: clamp(wanted.q, least, Math.max(least, mostOf(along))) };
}

/** The most that limits on one number allow. @param {{slope: number, most: number}[]} limits */
function mostOf(limits) {
  return Math.min(
    ...limits.map(({ slope, most }) => (slope > ROUNDING ? most / slope : Infinity)),
  );
}

/**
 * The point nearest to a wanted one that keeps to limits; null if none does.
 * @param {{p: number, q: number}} wanted @param {Limit[]} limits
 */
function nearest(wanted, limits) {
  /** @param {{p: number, q: number}} point */
  const fits = ({ p, q }) => limits.every(({ a, b, most }) => a * p + b * q <= most + ROUNDING);
  if (fits(wanted)) return wanted;
  const candidates = [...onLines(wanted, limits), ...crossings(limits)].filter(fits);
  /** @param {{p: number, q: number}} point */
  const distance = ({ p, q }) => (p - wanted.p) ** 2 + (q - wanted.q) ** 2;
  return candidates.reduce(
    (best, one) => (best === null || distance(one) < distance(best) ? one : best),
    /** @type {{p: number, q: number} | null} */ (null),
  );
}

/** The nearest points on the edges of limits. @param {{p: number, q: number}} wanted @param {Limit[]} limits */
function onLines(wanted, limits) {
  return limits.flatMap(({ a, b, most }) => {
    const length = a * a + b * b;
    if (length < ROUNDING) return [];
    const excess = (a * wanted.p + b * wanted.q - most) / length;
    return [{ p: wanted.p - excess * a, q: wanted.q - excess * b }];
  });
}

/** Where the edges of limits cross. @param {Limit[]} limits */
function crossings(limits) {
  return limits.flatMap((one, index) =>
    limits.slice(index + 1).flatMap((other) => {
      const slope = one.a * other.b - one.b * other.a;
      if (Math.abs(slope) < ROUNDING) return [];
      return [
        {
          p: (one.most * other.b - other.most * one.b) / slope,
          q: (one.a * other.most - other.a * one.most) / slope,
        },
      ];
    }),
  );
}

/**
 * How far one can go from limits that fit towards others, 0 to 1.
 * @param {number[]} now @param {number[]} wanted @param {number} angle @param {number} aspect
 */
function shareThatFits(now, wanted, angle, aspect) {
  const least = leastSide(aspect);
  /** @param {number[]} limits */
  const excesses = ([top, left, bottom, right]) => {
    const rectangle = turned({ top, left, bottom, right, angle }, aspect);
    return [
      ...lines(angle, aspect).map((line) => reach(line, rectangle) - line.most),
      least - (bottom - top),
      least - (right - left) * aspect,
    ];
  };
  const before = excesses(now);
  const after = excesses(wanted);
  const shares = after.map((excess, index) => {
    if (excess <= ROUNDING) return 1;
    const room = Math.max(0, -before[index]);
    return room / (room + excess);
  });
  return Math.min(...shares);
}
