/**
 * Uniform borders around a picture, found as `cropperhead.inference.borders` finds them. Reasons and
 * names are given there.
 */

import { roundHalfEven } from "./crops.js";

/**
 * @typedef {import("./crops.js").Box} Box
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {import("./pillow.js").Picture} Picture
 * @typedef {{data: Picture["data"], first: number, line: number, pixel: number, lines: number,
 *   pixels: number}} Lines rows or columns, from either end: where the first one begins in the
 *   data, how far it is to the next line and to the next pixel, and how many there are
 */

const NOISE = 16;
const OUTLIERS = 0.01;
const BLUR = 4;
const EDGE = 0.7;
const EDGE_OF_PAIR = 0.35;
const MOST = 0.4;
const WIDTHS_ALIKE = 1.5;

/**
 * The picture without its borders, in fractions of its sides.
 * @param {Picture} picture @returns {Box}
 */
export function findContent({ width, height, data }) {
  const rows = { data, first: 0, line: 3 * width, pixel: 3, lines: height, pixels: width };
  const [top, bottom] = pair(rows);
  const [left, right] = pair({
    data,
    first: top * rows.line,
    line: rows.pixel,
    pixel: rows.line,
    lines: width,
    pixels: height - top - bottom,
  });
  return [top / height, left / width, 1 - bottom / height, 1 - right / width];
}

/**
 * The part of a picture that `findContent` found.
 * @param {Picture} picture @param {Box} content @returns {Picture}
 */
export function cutOut(picture, content) {
  if (isWhole(content)) return picture;
  const { width, height, data } = picture;
  const [top, left, bottom, right] = content.map((limit, place) =>
    roundHalfEven(limit * (place % 2 === 0 ? height : width)),
  );
  const part = new Uint8ClampedArray(3 * (right - left) * (bottom - top));
  for (let y = top; y < bottom; y += 1) {
    const row = data.subarray(3 * (y * width + left), 3 * (y * width + right));
    part.set(row, 3 * (y - top) * (right - left));
  }
  return { width: right - left, height: bottom - top, data: part };
}

/** A crop of the content as a crop of the whole picture. @param {Crop} crop @param {Box} content @returns {Crop} */
export function placeBack(crop, content) {
  if (isWhole(content)) return crop;
  const [top, left, bottom, right] = content;
  return {
    top: top + crop.top * (bottom - top),
    left: left + crop.left * (right - left),
    bottom: top + crop.bottom * (bottom - top),
    right: left + crop.right * (right - left),
    angle: crop.angle,
  };
}

/** @param {Box} content */
const isWhole = ([top, left, bottom, right]) => top === 0 && left === 0 && bottom === 1 && right === 1;

/** The widths in px of the borders before the first line and after the last. @param {Lines} lines @returns {[number, number]} */
function pair(lines) {
  const first = border(lines);
  const last = border({
    ...lines,
    first: lines.first + (lines.lines - 1) * lines.line,
    line: -lines.line,
  });
  if (first.width === 0 && last.width === 0) return [0, 0];
  const narrow = Math.min(first.width, last.width);
  const wide = Math.max(first.width, last.width);
  const areAlike = narrow > 0 && wide <= Math.max(narrow * WIDTHS_ALIKE, narrow + BLUR);
  const apart = first.colour.map((level, channel) => Math.abs(level - last.colour[channel]));
  const least = areAlike && Math.max(...apart) <= NOISE ? EDGE_OF_PAIR : EDGE;
  return [
    first.sharpness >= least ? first.width : 0,
    last.sharpness >= least ? last.width : 0,
  ];
}

/** @param {Lines} lines */
function border(lines) {
  const colour = [0, 1, 2].map((channel) => median(levels(lines, channel)));
  const nothing = { width: 0, sharpness: 0, colour };
  if (differing(lines, 0, colour, 0, 0) > OUTLIERS) return nothing;
  const most = Math.trunc(lines.lines * MOST);
  const shares = Array.from({ length: most + 1 }, (_, place) =>
    differing(lines, place, colour, 0, 0),
  );
  const end = shares.findIndex((one) => one >= EDGE_OF_PAIR);
  const before = Math.max(0, end - BLUR);
  if (end < 0 || shares.slice(0, before).some((one) => one > OUTLIERS)) return nothing;
  const from = lines.first + before * lines.line;
  const after = Array.from({ length: Math.min(BLUR, lines.lines - end) }, (_, place) =>
    differing(lines, end + place, lines.data, from, lines.pixel),
  );
  return { width: end, sharpness: Math.max(...after), colour };
}

/**
 * The share of a line's pixels that differ from those of another line, or (step 0) from one colour.
 * @param {Lines} lines @param {number} place the line's @param {ArrayLike<number>} others
 * @param {number} from where the first of the others is @param {number} step to the next one
 */
function differing({ data, first, line, pixel, pixels }, place, others, from, step) {
  let count = 0;
  for (let index = 0; index < pixels; index += 1) {
    const at = first + place * line + index * pixel;
    const other = from + index * step;
    const apart = Math.max(
      Math.abs(data[at] - others[other]),
      Math.abs(data[at + 1] - others[other + 1]),
      Math.abs(data[at + 2] - others[other + 2]),
    );
    if (apart > NOISE) count += 1;
  }
  return count / pixels;
}

/** The first line's levels. @param {Lines} lines @param {number} channel */
function levels({ data, first, pixel, pixels }, channel) {
  return Float64Array.from({ length: pixels }, (_, index) => data[first + index * pixel + channel]);
}

/** As NumPy's median, without its fraction. @param {Float64Array} values */
function median(values) {
  const sorted = values.sort();
  const middle = sorted.length / 2;
  return Math.trunc((sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2);
}
