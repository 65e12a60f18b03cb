/**
 * The exported model in the browser, by LiteRT. What it sees of a photo is made as in
 * `cropperhead.api`: at most 512 px, then a square, both scaled as Pillow does.
 */

import { loadAndCompile, loadLiteRt, Tensor } from "./vendor/litert.js";
import { blank, draw } from "./decode.js";
import { BILINEAR, LANCZOS, resize, thumbnailSize } from "./pillow.js";
import { suggestCrops } from "./search.js";

/**
 * @typedef {import("./search.js").Outputs & {aspect: number}} Prediction
 * @typedef {{name: string, id: string, size: number}} ModelFacts
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
  const [facts, content] = await Promise.all([
    fetched("/model.json").then((answer) => answer.json()),
    fetched("/model.tflite").then((answer) => answer.arrayBuffer()),
    loadLiteRt(RUNTIME),
  ]);
  const compiled = await loadAndCompile(new Uint8Array(content), { accelerator: "wasm" });
  const model = new Model(facts, compiled);
  // LiteRT sets itself up only now, and the browser compiles what will be needed
  const blankPhoto = blank(...WARM_UP).canvas;
  suggestCrops(await model.predict(blankPhoto, ...WARM_UP), 1.5, null, 2);
  return model;
}

/** @param {string} path */
async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

/** A loaded model. */
export class Model {
  /** @param {ModelFacts} facts @param {import("./vendor/litert.js").CompiledModel} compiled */
  constructor(facts, compiled) {
    this.facts = facts;
    this.compiled = compiled;
  }

  /**
   * What the model says of a photo.
   * @param {CanvasImageSource} photo upright @param {number} width in px @param {number} height
   * @returns {Promise<Prediction>}
   */
  predict(photo, width, height) {
    return this.run(square(photo, width, height, this.facts.size), width / height);
  }

  /** @param {Uint8Array | Uint8ClampedArray} pixels @param {number} aspect @returns {Promise<Prediction>} */
  async run(pixels, aspect) {
    const { size } = this.facts;
    const inputs = {
      image: new Tensor(Float32Array.from(pixels), [1, size, size, 3]),
      aspect: new Tensor(Float32Array.of(aspect), [1, 1]),
    };
    const outputs = await this.compiled.run(inputs);
    /** @param {string} name */
    const values = (name) => Array.from(outputs[name].toTypedArray());
    const prediction = {
      limits: values("limits"),
      prototypes: values("prototypes"),
      shares: values("shares"),
      confidence: values("confidence")[0],
      aspect,
    };
    for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
    return prediction;
  }
}

/** The square that a model sees, in RGB. @param {CanvasImageSource} photo @param {number} width @param {number} height @param {number} size */
export function square(photo, width, height, size) {
  const scale = Math.min(1, DRAWN_SIDE / Math.max(width, height));
  const drawnWidth = Math.max(1, Math.round(width * scale));
  const drawnHeight = Math.max(1, Math.round(height * scale));
  const { context } = draw(photo, drawnWidth, drawnHeight, true);
  const { data } = context.getImageData(0, 0, drawnWidth, drawnHeight);
  const picture = { width: drawnWidth, height: drawnHeight, data: withoutAlpha(data) };
  const [copyWidth, copyHeight] = thumbnailSize(width, height, LONG_SIDE);
  const copy = resize(picture, copyWidth, copyHeight, LANCZOS);
  return resize(copy, size, size, BILINEAR).data;
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
