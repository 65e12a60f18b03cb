/** Crops for a photo, as `cropperhead.api` suggests them: searched, moved off faces, without borders. */

import { placeBack } from "./borders.js";
import { keepWhole } from "./faces.js";
import { confidenceOf, suggestCrops } from "./search.js";

/**
 * @typedef {import("./search.js").Suggestion} Suggestion
 * @typedef {import("./model.js").Prediction} Prediction
 */

/**
 * Up to `count` crops, the best first; all of one ratio (width / height in px) if one is given.
 * @param {Prediction} prediction @param {number | null} ratio @param {number} count
 * @returns {Suggestion[]}
 */
export function suggest(prediction, ratio, count) {
  const { aspect, content, faces } = prediction;
  return suggestCrops(prediction, aspect, ratio, count).map(({ crop, confidence }) => ({
    crop: placeBack(keepWhole(crop, faces, aspect, ratio !== null), content),
    confidence,
  }));
}

/** The overlap to expect of the whole photo. @param {Prediction} prediction */
export function confidenceOfWhole(prediction) {
  const [top, left, bottom, right] = prediction.content;
  const height = bottom - top;
  const width = right - left;
  return confidenceOf(prediction, prediction.aspect, [
    -top / height,
    -left / width,
    (1 - top) / height,
    (1 - left) / width,
  ]);
}
