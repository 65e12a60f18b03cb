/**
 * The search of `cropperhead.inference.search`: several crops to suggest, or those of one aspect
 * ratio. Reasons and names are given there; the same outputs of a model give the same crops.
 */

import {
  SMALLEST, boxArea, boxOverlap, cropOf, fitter, insideFrame, rounded, turnBack,
} from "./crops.js";

/**
 * @typedef {import("./crops.js").Box} Box
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {{crop: Crop, confidence: number}} Suggestion
 * @typedef {{limits: ArrayLike<number>, prototypes: ArrayLike<number>, shares: ArrayLike<number>,
 *   confidence: number}} Outputs of a model for one photo; `prototypes` are (K, 4), row by row
 * @typedef {{own: Crop, boxes: Box[], weights: Float64Array, overlapsOf: (candidate: Box) => Float64Array,
 *   aspect: number, fit: (limits: Box) => Box}} Prediction `overlapsOf` gives the overlap with each of
 *   `boxes`, in an array that it uses again
 * @typedef {(candidate: Box) => number} Gain
 */

const OWN_WEIGHT = 0.5;
const DISTINCT = 0.75;
const WORTHWHILE = 0.5;
const STARTS = 4;
const STEPS = Array.from({ length: 24 }, (_, index) => 0.1 * 0.7 ** index);
const SIZES = [1, 0.8, 1.25];
/** @type {Box} */
const WHOLE_BOX = [0, 0, 1, 1];

/**
 * Up to `count` crops, the best first; all of one ratio (width / height in px) if one is given.
 * @param {Outputs} outputs @param {number} aspect the photo's width / height
 * @param {number | null} ratio @param {number} count @returns {Suggestion[]}
 */
export function suggestCrops(outputs, aspect, ratio, count) {
  const prediction = predict(outputs, aspect);
  const boxes = ratio === null ? alternatives(prediction, count) : ofRatio(prediction, ratio, count);
  return scaled(prediction, outputs.confidence, boxes);
}

/**
 * The largest crop of the photo's own shape with the turn of the model's crop.
 * @param {Outputs} outputs @param {number} aspect @returns {Suggestion}
 */
export function straightenOnly(outputs, aspect) {
  const prediction = predict(outputs, aspect);
  return scaled(prediction, outputs.confidence, [prediction.fit(WHOLE_BOX)])[0];
}

/**
 * The expected overlap of any crop, on the scale of the suggestions' confidence.
 * @param {Outputs} outputs @param {number} aspect @param {Box} limits
 */
export function confidenceOf(outputs, aspect, limits) {
  return scaled(predict(outputs, aspect), outputs.confidence, [limits])[0].confidence;
}

/** @param {Outputs} outputs @param {number} aspect @returns {Prediction} */
function predict(outputs, aspect) {
  const [top, left, bottom, right, angle] = Array.from(outputs.limits);
  const own = insideFrame({ top, left, bottom, right, angle }, aspect);
  const rows = Array.from({ length: outputs.shares.length }, (_, index) => {
    const at = 4 * index;
    const { prototypes } = outputs;
    return /** @type {Box} */ ([0, 1, 2, 3].map((offset) => prototypes[at + offset]));
  });
  /** @type {Box[]} */
  const boxes = [[own.top, own.left, own.bottom, own.right], ...rows];
  const shares = Array.from(outputs.shares, (share) => (1 - OWN_WEIGHT) * share);
  return {
    own,
    boxes,
    weights: Float64Array.of(OWN_WEIGHT, ...shares),
    overlapsOf: overlapper(boxes),
    aspect,
    fit: fitter(own.angle, aspect),
  };
}

/** As `boxOverlap` of a candidate with each box; a search asks for a million of them. @param {Box[]} boxes */
function overlapper(boxes) {
  const [tops, lefts, bottoms, rights] = [0, 1, 2, 3].map((place) =>
    Float64Array.from(boxes, (one) => one[place]),
  );
  const areas = Float64Array.from(boxes, boxArea);
  const overlaps = new Float64Array(boxes.length);
  /** @param {Box} candidate */
  return (candidate) => {
    const [top, left, bottom, right] = candidate;
    const area = boxArea(candidate);
    for (let index = 0; index < overlaps.length; index += 1) {
      const down = Math.max(Math.min(bottom, bottoms[index]) - Math.max(top, tops[index]), 0);
      const across = Math.max(Math.min(right, rights[index]) - Math.max(left, lefts[index]), 0);
      const shared = down * across;
      overlaps[index] = shared / Math.max(area + areas[index] - shared, SMALLEST);
    }
    return overlaps;
  };
}

/** @param {Prediction} prediction @param {number} confidence @param {Box[]} boxes */
function scaled(prediction, confidence, boxes) {
  const scale = confidence / expectedOverlap(prediction, prediction.boxes[0], 0);
  return boxes.map((limits) => ({
    crop: cropOf(limits, prediction.own.angle),
    confidence: Math.min(1, expectedOverlap(prediction, limits, 0) * scale),
  }));
}

/**
 * The expected overlap of a candidate with a crop like the prediction's, from its `first` box on.
 * @param {Prediction} prediction @param {Box} candidate @param {number} first
 */
function expectedOverlap({ overlapsOf, weights }, candidate, first) {
  const near = overlapsOf(candidate);
  let sum = 0;
  for (let index = first; index < near.length; index += 1) sum += near[index] * weights[index];
  return sum;
}

/** @param {Prediction} prediction @param {number} count */
function alternatives(prediction, count) {
  const pool = prediction.boxes.map(prediction.fit);
  // Down or across: both at once would be four times the moves, and finds hardly better crops
  const steps = [
    ...moves([[1, 0, 0, 0], [0, 0, 1, 0]]),
    ...moves([[0, 1, 0, 0], [0, 0, 0, 1]]),
  ];
  return addDistinct(prediction, prediction.boxes[0], pool, steps, count);
}

/** @param {Prediction} prediction @param {number} ratio @param {number} count */
function ofRatio(prediction, ratio, count) {
  const slope = ratio / prediction.aspect; // width / height in fractions
  const pool = boxesOfSlope(prediction.boxes, slope).map(prediction.fit);
  const height = 1 / Math.max(1, slope) / 2;
  const width = slope / Math.max(1, slope) / 2;
  const steps = moves([
    [-height, -width, height, width],
    [height, 0, height, 0],
    [0, width, 0, width],
  ]);
  const best = climb(prediction, pool, steps, (candidate) =>
    rounded(expectedOverlap(prediction, candidate, 0)),
  );
  return addDistinct(prediction, best, pool, steps, count);
}

/** @param {Box[]} boxes @param {number} slope @returns {Box[]} */
function boxesOfSlope(boxes, slope) {
  return SIZES.flatMap((size) =>
    boxes.map(([top, left, bottom, right]) => {
      const sides = Math.max(bottom - top, 0) * Math.max(right - left, 0);
      const height = Math.sqrt(sides / slope);
      const halfHeight = (size * height) / 2;
      const halfWidth = (size * slope * height) / 2;
      const y = (top + bottom) / 2;
      const x = (left + right) / 2;
      return /** @type {Box} */ ([y - halfHeight, x - halfWidth, y + halfHeight, x + halfWidth]);
    }),
  );
}

/** @param {Prediction} prediction @param {Box} first @param {Box[]} pool @param {Box[]} steps @param {number} count */
function addDistinct(prediction, first, pool, steps, count) {
  const likelihoods = pool.map((candidate) => expectedOverlap(prediction, candidate, 1));
  const least = WORTHWHILE * Math.max(...likelihoods);
  const found = [first];
  while (found.length < count) {
    const gain = furtherGain(prediction, found, least);
    const best = climb(prediction, pool, steps, gain);
    if (gain(best) <= 0) break;
    found.push(best);
  }
  return found;
}

/** @param {Prediction} prediction @param {Box[]} earlier @param {number} least @returns {Gain} */
function furtherGain({ boxes, overlapsOf, weights, own, aspect }, earlier, least) {
  const covered = boxes.map((one) => Math.max(...earlier.map((box) => boxOverlap(box, one))));
  const upright = earlier.map((one) => turnBack(one, own.angle, aspect));
  return (candidate) => {
    const turned = turnBack(candidate, own.angle, aspect);
    if (upright.some((one) => boxOverlap(turned, one) >= DISTINCT)) return 0;
    const near = overlapsOf(candidate);
    let gain = 0;
    let likelihood = 0;
    for (let index = 0; index < near.length; index += 1) {
      gain += Math.max(near[index] - covered[index], 0) * weights[index];
      if (index > 0) likelihood += near[index] * weights[index];
    }
    return likelihood >= least ? rounded(gain) : 0;
  };
}

/** @param {Prediction} prediction @param {Box[]} pool @param {Box[]} steps @param {Gain} gain @returns {Box} */
function climb(prediction, pool, steps, gain) {
  const gains = pool.map(gain);
  const order = pool.map((_, index) => index).sort((one, other) => gains[other] - gains[one]);
  let starts = order.slice(0, STARTS).map((index) => pool[index]);
  for (const step of STEPS) {
    starts = starts.map((start) => {
      const tries = steps.map((move) =>
        prediction.fit(/** @type {Box} */ (start.map((limit, index) => limit + step * move[index]))),
      );
      return tries[firstLargest(tries.map(gain))];
    });
  }
  return starts[firstLargest(starts.map(gain))];
}

/** @param {number[]} values */
function firstLargest(values) {
  let best = 0;
  for (let index = 1; index < values.length; index += 1) {
    if (values[index] > values[best]) best = index;
  }
  return best;
}

/** Every sum of rows, each added, subtracted or left out; the first stays in place. @param {number[][]} rows @returns {Box[]} */
function moves(rows) {
  /** @type {number[][]} */
  let sums = [[0, 0, 0, 0]];
  for (const row of rows) {
    sums = sums.flatMap((sum) =>
      [0, 1, -1].map((sign) => sum.map((value, index) => value + sign * row[index])),
    );
  }
  return /** @type {Box[]} */ (sums);
}
