/**
 * Pillow's resampling (src/libImaging/Resample.c of Pillow 13) on pictures of 8-bit RGB.
 *
 * A model sees what Pillow makes of a photo. How it is scaled decides by how much it is turned, so
 * that a browser's own scaling gives other crops.
 */

import { swapsSides, turnMatrix } from "./crops.js";

/**
 * @typedef {{width: number, height: number, data: Uint8Array | Uint8ClampedArray}} Picture in RGB
 * @typedef {{support: number, weigh: (x: number) => number}} Filter
 */

const PRECISION_BITS = 22;

/** @param {number} x */
const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** @type {Filter} */
export const LANCZOS = { support: 3, weigh: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) };
/** @type {Filter} */
export const BILINEAR = { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) };

/**
 * The size of `Image.thumbnail`: at most `side` px on each side.
 * @param {number} width @param {number} height @param {number} side @returns {[number, number]}
 */
export function thumbnailSize(width, height, side) {
  if (side >= width && side >= height) return [width, height];
  const aspect = width / height;
  if (aspect <= 1) return [nearest(side * aspect, (x) => Math.abs(aspect - x / side)), side];
  return [side, nearest(side / aspect, (y) => (y === 0 ? 0 : Math.abs(aspect - side / y)))];
}

/** The floor or the ceiling, whichever has the smaller error. @param {number} value @param {(side: number) => number} error */
function nearest(value, error) {
  const [low, high] = [Math.floor(value), Math.ceil(value)];
  return Math.max(error(low) <= error(high) ? low : high, 1);
}

/**
 * The picture at another size.
 * @param {Picture} picture @param {number} width @param {number} height @param {Filter} filter
 * @returns {Picture}
 */
export function resize(picture, width, height, filter) {
  const fewerRows = picture.height - height;
  // Numbers are rounded between the two passes, so that their order shows. Pillow 13 begins with the
  // columns where that drops far more rows than columns, as was found by comparing both orders.
  if (fewerRows > 0 && 2 * (picture.width - width) < fewerRows) {
    const down = resizeColumns(picture, height, filter);
    return width === picture.width ? down : resizeRows(down, width, filter);
  }
  const across = width === picture.width ? picture : resizeRows(picture, width, filter);
  return height === picture.height ? across : resizeColumns(across, height, filter);
}

/** A picture without its fourth channel. @param {{width: number, height: number, data: Uint8ClampedArray}} picture in RGBA, opaque @returns {Picture} */
export function opaque({ width, height, data }) {
  const result = new Uint8ClampedArray(3 * width * height);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    result[to] = data[from];
    result[to + 1] = data[from + 1];
    result[to + 2] = data[from + 2];
  }
  return { width, height, data: result };
}

/**
 * The picture as an EXIF orientation displays it, pixel for pixel.
 * @param {Picture} picture @param {number} orientation 1 to 8 @returns {Picture}
 */
export function transpose({ width, height, data }, orientation) {
  const [shownWidth, shownHeight] = swapsSides(orientation) ? [height, width] : [width, height];
  const [a, b, c, d, e, f] = turnMatrix(orientation, width, height);
  const result = new Uint8ClampedArray(data.length);
  for (let y = 0, from = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, from += 3) {
      // the matrix is one of corners, pixels have centres
      const shownX = a * (x + 0.5) + c * (y + 0.5) + e - 0.5;
      const shownY = b * (x + 0.5) + d * (y + 0.5) + f - 0.5;
      const to = 3 * (shownY * shownWidth + shownX);
      result[to] = data[from];
      result[to + 1] = data[from + 1];
      result[to + 2] = data[from + 2];
    }
  }
  return { width: shownWidth, height: shownHeight, data: result };
}

/** The orientation that undoes another. @param {number} orientation */
export const inverse = (orientation) => ({ 6: 8, 8: 6 })[orientation] ?? orientation;

/**
 * For each pixel of the result the first pixel that it is made of, and the weights from there on.
 * @param {number} before @param {number} after @param {Filter} filter
 */
function coefficients(before, after, filter) {
  const scale = before / after;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const unscale = 1 / filterScale; // to multiply, as Pillow does: dividing rounds otherwise
  return Array.from({ length: after }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(before, Math.trunc(centre + support + 0.5));
    const weights = Array.from({ length: end - first }, (_unused, x) =>
      filter.weigh((x + first - centre + 0.5) * unscale),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const whole = weights.map((weight) => {
      const fixed = (weight / sum) * 2 ** PRECISION_BITS;
      return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
    return { first, weights: Int32Array.from(whole) };
  });
}

/** @param {Picture} picture @param {number} width @param {Filter} filter @returns {Picture} */
function resizeRows({ width: before, height, data }, width, filter) {
  const result = new Uint8ClampedArray(3 * width * height);
  coefficients(before, width, filter).forEach(({ first, weights }, x) => {
    for (let y = 0; y < height; y += 1) {
      weigh(data, 3 * (y * before + first), 3, weights, result, 3 * (y * width + x));
    }
  });
  return { width, height, data: result };
}

/** @param {Picture} picture @param {number} height @param {Filter} filter @returns {Picture} */
function resizeColumns({ width, height: before, data }, height, filter) {
  const result = new Uint8ClampedArray(3 * width * height);
  coefficients(before, height, filter).forEach(({ first, weights }, y) => {
    for (let x = 0; x < width; x += 1) {
      weigh(data, 3 * (first * width + x), 3 * width, weights, result, 3 * (y * width + x));
    }
  });
  return { width, height, data: result };
}

/**
 * One pixel of the result, from pixels that lie `step` numbers apart.
 * @param {Uint8Array | Uint8ClampedArray} data @param {number} from @param {number} step
 * @param {Int32Array} weights @param {Uint8ClampedArray} result @param {number} to
 */
function weigh(data, from, step, weights, result, to) {
  const half = 1 << (PRECISION_BITS - 1);
  let red = half;
  let green = half;
  let blue = half;
  for (let index = 0, at = from; index < weights.length; index += 1, at += step) {
    const weight = weights[index];
    red += data[at] * weight;
    green += data[at + 1] * weight;
    blue += data[at + 2] * weight;
  }
  result[to] = red >> PRECISION_BITS;
  result[to + 1] = green >> PRECISION_BITS;
  result[to + 2] = blue >> PRECISION_BITS;
}
