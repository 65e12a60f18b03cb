/**
 * Faces in photos, and crops that cut none, as in `cropperhead.inference.faces`. Reasons and names
 * are given there.
 */

import { Tensor } from "./vendor/litert.js";
import {
  boxArea, boxOverlap, clamp, cropOf, outside, roundHalfEven, rounded, turnBack, turnForth,
} from "./crops.js";
import { BILINEAR, resize } from "./pillow.js";

/**
 * @typedef {import("./crops.js").Box} Box
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {import("./pillow.js").Picture} Picture
 */

const LEAST_SCORE = 0.6;
const SAME_FACE = 0.3;
const STRIDE = 4;
const HAIR = 0.4;
const EARS = 0.1;
const CHIN = 0.1;
const ROUNDING = 0.02;
const COMMON_SHAPES = [1, 5 / 4, 4 / 3, 7 / 5, 3 / 2, 16 / 9];
const SAME_SHAPE = 0.005;
const LOST_FACE = 2;
const CUT_FACE = 1;
const CUT_HEAD = 0.15;
const NEAREST = 8;
const SCALES = Array.from({ length: 81 }, (_, index) => 0.7 * (1.8 / 0.7) ** (index / 80));
const SMALLEST = 1e-12;

/** MediaPipe's BlazeFace, ready to find faces. */
export class FaceFinder {
  /** @param {import("./vendor/litert.js").CompiledModel} compiled */
  constructor(compiled) {
    this.compiled = compiled;
    this.side = Number(compiled.getInputDetails()[0].shape[1]);
  }

  /** The faces in an upright picture, from the most to the least certain. @param {Picture} picture @returns {Promise<Box[]>} */
  async find(picture) {
    const { pixels, top, left, scale } = letterbox(picture, this.side);
    const input = new Tensor(pixels, [1, this.side, this.side, 3]);
    const outputs = await this.compiled.run([input]);
    const [boxes, scores] = outputs.map((tensor) => Array.from(tensor.toTypedArray()));
    for (const tensor of [input, ...outputs]) tensor.delete();
    return merge(decode(boxes, scores, this.side)).map(
      (face) =>
        /** @type {Box} */ (
          face.map((limit, place) => {
            const offset = place % 2 === 0 ? top : left;
            const length = place % 2 === 0 ? picture.height : picture.width;
            return clamp((limit * this.side - offset) / scale / length, 0, 1);
          })
        ),
    );
  }
}

/**
 * The crop most like the given one that cuts no face, and no head.
 * @param {Crop} crop @param {Box[]} faces @param {number} aspect @param {boolean} keepsShape
 * @returns {Crop}
 */
export function keepWhole(crop, faces, aspect, keepsShape) {
  const moved = move(crop, faces, aspect, keepsShape);
  if (crop.angle !== 0) {
    const cut = countCut(moved, faces, aspect);
    if (cut > 0) {
      const level = move({ ...crop, angle: 0 }, faces, aspect, keepsShape);
      if (countCut(level, faces, aspect) < cut) return level;
    }
  }
  return moved;
}

/** @param {Crop} crop @param {Box[]} faces @param {number} aspect */
function countCut(crop, faces, aspect) {
  const own = turnBack([crop.top, crop.left, crop.bottom, crop.right], crop.angle, aspect);
  return faces.filter((face) => isCut(inside(own, turnBack(face, crop.angle, aspect)))).length;
}

/** @param {Crop} crop @param {Box[]} faces @param {number} aspect @param {boolean} keepsShape @returns {Crop} */
function move(crop, faces, aspect, keepsShape) {
  const allHeads = faces.map(headOf);
  if (countCut(crop, allHeads, aspect) === 0) return crop;
  /** @param {Box} limits */
  const turn = (limits) => turnBack(limits, crop.angle, aspect);
  const own = turn([crop.top, crop.left, crop.bottom, crop.right]);
  const upright = faces.map(turn);
  const around = allHeads.map(turn);
  const hasShape = keepsShape || hasCommonShape(own, aspect);
  const candidates = [own, ...(hasShape ? sameShape(own, around) : otherSides(own, around))];
  const wanted = upright.map((face) => inside(own, face) >= 0.5);
  const most = Math.max(outside(back(own, crop.angle, aspect), aspect), 1e-9);
  let best = 0;
  let least = Infinity;
  candidates.forEach((candidate, index) => {
    if (outside(back(candidate, crop.angle, aspect), aspect) > most) return;
    const shares = upright.map((face) => inside(candidate, face));
    const lost = shares.filter((one, face) => wanted[face] && one <= ROUNDING).length;
    const cutHeads = around.filter((head) => isCut(inside(candidate, head))).length;
    const cost = rounded(
      LOST_FACE * lost +
        CUT_FACE * shares.filter(isCut).length +
        CUT_HEAD * cutHeads -
        boxOverlap(own, candidate),
    );
    if (cost < least) [best, least] = [index, cost];
  });
  return best === 0 ? crop : back(candidates[best], crop.angle, aspect);
}

/** @param {Box} limits @param {number} angle @param {number} aspect */
const back = (limits, angle, aspect) => cropOf(turnForth(limits, angle, aspect), angle);

/** The head of a face, within the photo. @param {Box} face @returns {Box} */
function headOf([top, left, bottom, right]) {
  const height = bottom - top;
  const width = right - left;
  return [
    clamp(top - HAIR * height, 0, 1),
    clamp(left - EARS * width, 0, 1),
    clamp(bottom + CHIN * height, 0, 1),
    clamp(right + EARS * width, 0, 1),
  ];
}

/** The share of a face inside a candidate. @param {Box} candidate @param {Box} face */
function inside(candidate, face) {
  const down = Math.min(candidate[2], face[2]) - Math.max(candidate[0], face[0]);
  const across = Math.min(candidate[3], face[3]) - Math.max(candidate[1], face[1]);
  const shared = Math.max(down, 0) * Math.max(across, 0);
  return shared / Math.max(boxArea(face), SMALLEST);
}

/** @param {number} share */
const isCut = (share) => share > ROUNDING && share < 1 - ROUNDING;

/** @param {Box} limits in photo heights @param {number} aspect */
function hasCommonShape([top, left, bottom, right], aspect) {
  const ratio = (right - left) / (bottom - top);
  const shape = Math.max(ratio, 1 / ratio);
  const shapes = [...COMMON_SHAPES, Math.max(aspect, 1 / aspect)];
  return shapes.some((one) => Math.abs(shape / one - 1) < SAME_SHAPE);
}

/** Boxes with each side where it is or at an edge of a face. @param {Box} own @param {Box[]} faces @returns {Box[]} */
function otherSides(own, faces) {
  const tries = own.map((side, place) => [
    side,
    ...nearestTo(edgesOf(faces, place % 2), side),
  ]);
  const boxes = /** @type {Box[]} */ (product(tries));
  return boxes.filter(([top, left, bottom, right]) => bottom > top && right > left);
}

/** Larger and smaller boxes of the same shape, at edges of faces in turn. @param {Box} own @param {Box[]} faces @returns {Box[]} */
function sameShape(own, faces) {
  const edges = [edgesOf(faces, 0), edgesOf(faces, 1)];
  return SCALES.flatMap((scale) => {
    const size = [scale * (own[2] - own[0]), scale * (own[3] - own[1])];
    const lows = size.map((length, axis) => {
      const [low, high] = [own[axis], own[axis + 2]];
      const places = [
        ...edges[axis],
        ...edges[axis].map((edge) => edge - length),
        low,
        high - length,
      ];
      const middle = (low + high) / 2 - length / 2;
      return [middle, ...nearestTo(places, middle)];
    });
    return product(lows).map(
      ([top, left]) => /** @type {Box} */ ([top, left, top + size[0], left + size[1]]),
    );
  });
}

/** @param {Box[]} faces @param {number} axis */
function edgesOf(faces, axis) {
  const edges = new Set(faces.flatMap((face) => [face[axis], face[axis + 2]]));
  return [...edges].sort((one, other) => one - other);
}

/** @param {number[]} places @param {number} wanted */
function nearestTo(places, wanted) {
  const order = places.map((_, index) => index);
  order.sort((one, other) => Math.abs(places[one] - wanted) - Math.abs(places[other] - wanted));
  return order.slice(0, NEAREST).map((index) => places[index]);
}

/** @param {number[][]} lists */
function product(lists) {
  return lists.reduce(
    (rows, list) => rows.flatMap((row) => list.map((one) => [...row, one])),
    /** @type {number[][]} */ ([[]]),
  );
}

/** The picture in a black square. @param {Picture} picture @param {number} side */
function letterbox(picture, side) {
  const scale = side / Math.max(picture.width, picture.height);
  const width = Math.max(1, roundHalfEven(picture.width * scale));
  const height = Math.max(1, roundHalfEven(picture.height * scale));
  const { data } = resize(picture, width, height, BILINEAR);
  const left = Math.floor((side - width) / 2);
  const top = Math.floor((side - height) / 2);
  const pixels = new Float32Array(3 * side * side).fill(-1);
  for (let y = 0; y < height; y += 1) {
    for (let at = 0; at < 3 * width; at += 1) {
      pixels[3 * ((y + top) * side + left) + at] = Math.fround(data[3 * y * width + at] / 127.5) - 1;
    }
  }
  return { pixels, top, left, scale };
}

/** Boxes in fractions of the square, and how certain they are. @param {number[]} boxes @param {number[]} scores @param {number} side */
function decode(boxes, scores, side) {
  const each = boxes.length / scores.length;
  const columns = Math.floor(side / STRIDE);
  return scores.flatMap((score, index) => {
    const certainty = 1 / (1 + Math.exp(-clamp(score, -80, 80)));
    if (!(certainty > LEAST_SCORE)) return [];
    const [x, y, width, height] = boxes.slice(each * index, each * index + 4);
    const down = (y + (Math.floor(index / columns) + 0.5) * STRIDE) / side;
    const across = (x + ((index % columns) + 0.5) * STRIDE) / side;
    /** @type {Box} */
    const box = [
      down - height / side / 2,
      across - width / side / 2,
      down + height / side / 2,
      across + width / side / 2,
    ];
    return [{ box, certainty }];
  });
}

/** One box for each face. @param {{box: Box, certainty: number}[]} found @returns {Box[]} */
function merge(found) {
  let rest = [...found].sort((one, other) => other.certainty - one.certainty);
  /** @type {Box[]} */
  const faces = [];
  while (rest.length > 0) {
    const [first] = rest;
    const isSame = rest.map((one) => one === first || boxOverlap(first.box, one.box) > SAME_FACE);
    const together = rest.filter((_, index) => isSame[index]);
    const total = together.reduce((sum, { certainty }) => sum + certainty, 0);
    const mean = [0, 1, 2, 3].map(
      (place) =>
        together.reduce((sum, { box, certainty }) => sum + box[place] * certainty, 0) / total,
    );
    faces.push(/** @type {Box} */ (mean));
    rest = rest.filter((_, index) => !isSame[index]);
  }
  return faces;
}
