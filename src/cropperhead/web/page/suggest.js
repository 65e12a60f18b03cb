/** Crops for a photo, as `cropperhead.api` suggests them: searched, moved off faces, without borders. */

import { placeBack } from "./borders.js";
import { resizeCrop } from "./crops.js";
import { keepWhole } from "./faces.js";
import { confidenceOf, suggestCrops } from "./search.js";

/**
 * @typedef {import("./search.js").Suggestion} Suggestion
 * @typedef {import("./model.js").Prediction} Prediction
 * @typedef {{straighten: boolean, size: number}} Wish whether photos may be turned, and what to
 *   multiply the sides of crops by
 */

/** As `cropperhead suggest` has them: `--tighter`, `--looser`. */
export const SIZES = { tighter: 0.9, suggested: 1, looser: 1.12 };
/** @type {Readonly<Wish>} */
export const USUAL = Object.freeze({ straighten: true, size: SIZES.suggested });

/**
 * Up to `count` crops, the best first; all of one ratio (width / height in px) if one is given.
 * @param {Prediction} prediction @param {number | null} ratio @param {number} count
 * @param {Wish} [wish] @returns {Suggestion[]}
 */
export function suggest(prediction, ratio, count, wish = USUAL) {
  const { aspect, content, faces } = prediction;
  const found = suggestCrops(turned(prediction, wish), aspect, ratio, count);
  return found.map(({ crop, confidence }) => {
    const sized = wish.size === 1 ? crop : resizeCrop(crop, wish.size, aspect);
    return { crop: placeBack(keepWhole(sized, faces, aspect, ratio !== null), content), confidence };
  });
}

/** The confidence in the whole photo, which is the overlap to expect. @param {Prediction} prediction @param {Wish} [wish] */
export function confidenceOfWhole(prediction, wish = USUAL) {
  const [top, left, bottom, right] = prediction.content;
  const height = bottom - top;
  const width = right - left;
  return confidenceOf(turned(prediction, wish), prediction.aspect, [
    -top / height,
    -left / width,
    (1 - top) / height,
    (1 - left) / width,
  ]);
}

/** The prediction with the crop of its own that is wished for. @param {Prediction} prediction @param {Wish} wish */
function turned(prediction, { straighten }) {
  return straighten ? prediction : { ...prediction, limits: [...prediction.unturned, 0] };
}
