/**
 * The exported model in the browser, by LiteRT. What it sees of a photo is made as in
 * `cropperhead.api`: at most 512 px, then a square, both scaled as Pillow does.
 */

import { loadAndCompile, loadLiteRt, Tensor } from "./vendor/litert.js";
import { cutOut, findContent } from "./borders.js";
import { swapsSides } from "./crops.js";
import { blank, draw } from "./decode.js";
import { FaceFinder } from "./faces.js";
import { BILINEAR, LANCZOS, inverse, resize, thumbnailSize, transpose } from "./pillow.js";
import { suggest } from "./suggest.js";

/**
 * @typedef {import("./search.js").Outputs & {unturned: number[], straightening: number | null,
 *   isUnlike: boolean}} ModelOutputs `unturned` is the crop's box if the photo is not turned; the
 *   rest is as in `cropperhead.api.Crop`
 * @typedef {ModelOutputs & {frame: number, aspect: number, content: import("./crops.js").Box,
 *   faces: import("./crops.js").Box[]}} Prediction
 *   `frame` is the photo's width / height, `aspect` that of its `content` without borders, to which
 *   everything else refers
 * @typedef {{name: string, id: string, size: number, faces: boolean}} ModelFacts as the server
 *   gives them
 */

const RUNTIME = "/vendor/litert_wasm_compat_internal.js";
const LONG_SIDE = 512;
/** The browser scales to twice the copy: beyond that its own scaling shows in the angle. */
const DRAWN_SIDE = 2 * LONG_SIDE;
const WARM_UP = /** @type {const} */ ([768, 512]);

/** @type {Promise<Model> | null} */
let loading = null;

/** The model, ready to predict; it is loaded once. @returns {Promise<Model>} */
export function loadModel() {
  loading ??= load().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

async function load() {
  /** @type {ModelFacts} */
  const facts = await fetched("/model.json").then((answer) => answer.json());
  const [content, faces] = await Promise.all([
    fetched("/model.tflite").then((answer) => answer.arrayBuffer()),
    facts.faces ? fetched("/faces.tflite").then((answer) => answer.arrayBuffer()) : null,
    loadLiteRt(RUNTIME),
  ]);
  const model = new Model(facts, await compile(content), faces && new FaceFinder(await compile(faces)));
  // LiteRT sets itself up only now, and the browser compiles what will be needed
  const blankPhoto = blank(...WARM_UP).canvas;
  suggest(await model.predict(blankPhoto, ...WARM_UP), null, 2);
  return model;
}

/** @param {ArrayBuffer} content */
function compile(content) {
  return loadAndCompile(new Uint8Array(content), { accelerator: "wasm" });
}

/** @param {string} path */
async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

/** A loaded model. */
export class Model {
  /**
   * @param {ModelFacts} facts @param {import("./vendor/litert.js").CompiledModel} compiled
   * @param {FaceFinder | null} faceFinder
   */
  constructor(facts, compiled, faceFinder) {
    this.facts = facts;
    this.compiled = compiled;
    this.faceFinder = faceFinder;
  }

  /**
   * What the model says of a photo.
   * @param {CanvasImageSource} photo upright @param {number} width in px @param {number} height
   * @param {number} [orientation] EXIF's, by which the photo is turned on top of what its decoder does
   * @returns {Promise<Prediction>}
   */
  async predict(photo, width, height, orientation = 1) {
    const copy = smallCopy(photo, width, height, orientation);
    const content = findContent(copy);
    const [top, left, bottom, right] = content;
    const frame = width / height;
    const aspect = frame * ((right - left) / (bottom - top));
    const part = cutOut(copy, content);
    const faces = (await this.faceFinder?.find(part)) ?? [];
    const { size } = this.facts;
    const outputs = await this.run(resize(part, size, size, BILINEAR).data, aspect);
    return { ...outputs, frame, aspect, content, faces };
  }

  /** @param {Uint8Array | Uint8ClampedArray} pixels @param {number} aspect @returns {Promise<ModelOutputs>} */
  async run(pixels, aspect) {
    const { size } = this.facts;
    const inputs = {
      image: new Tensor(Float32Array.from(pixels), [1, size, size, 3]),
      aspect: new Tensor(Float32Array.of(aspect), [1, 1]),
    };
    const outputs = await this.compiled.run(inputs);
    /** @param {string} name */
    const values = (name) => Array.from(outputs[name].toTypedArray());
    /** @param {string} name */
    const has = (name) => name in outputs; // older models say less
    const limits = values("limits");
    const prediction = {
      limits,
      prototypes: values("prototypes"),
      shares: values("shares"),
      confidence: values("confidence")[0],
      unturned: has("unturned") ? values("unturned") : limits.slice(0, 4),
      straightening: has("straightening") ? values("straightening")[0] : null,
      isUnlike: has("unlike") && Math.max(...values("unlike")) > 1,
    };
    for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
    return prediction;
  }
}

/**
 * The copy that is looked at, of at most 512 px. It is scaled as the photo is stored, since the order
 * of columns and rows shows.
 * @param {CanvasImageSource} photo @param {number} width @param {number} height
 * @param {number} orientation
 */
function smallCopy(photo, width, height, orientation) {
  const scale = Math.min(1, DRAWN_SIDE / Math.max(width, height));
  const drawnWidth = Math.max(1, Math.round(width * scale));
  const drawnHeight = Math.max(1, Math.round(height * scale));
  const { context } = draw(photo, drawnWidth, drawnHeight, true);
  const { data } = context.getImageData(0, 0, drawnWidth, drawnHeight);
  const picture = { width: drawnWidth, height: drawnHeight, data: withoutAlpha(data) };
  const stored = orientation === 1 ? picture : transpose(picture, inverse(orientation));
  const sides = swapsSides(orientation) ? [height, width] : [width, height];
  const copy = resize(stored, ...thumbnailSize(sides[0], sides[1], LONG_SIDE), LANCZOS);
  return orientation === 1 ? copy : transpose(copy, orientation);
}

/** @param {Uint8ClampedArray} pixels in RGBA */
function withoutAlpha(pixels) {
  const result = new Uint8Array((pixels.length / 4) * 3);
  for (let from = 0, to = 0; from < pixels.length; from += 4, to += 3) {
    result[to] = pixels[from];
    result[to + 1] = pixels[from + 1];
    result[to + 2] = pixels[from + 2];
  }
  return result;
}
