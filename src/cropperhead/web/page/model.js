/**
 * The exported model in the browser, by LiteRT. What it sees of a photo is made as in
 * `cropperhead.api`: at most 512 px, then a square, both scaled as Pillow does.
 */

import { loadAndCompile, loadLiteRt, Tensor } from "./vendor/litert.js";
import { cutOut, findContent } from "./borders.js";
import { swapsSides, turnMatrix } from "./crops.js";
import { blank } from "./canvas.js";
import { FaceFinder } from "./faces.js";
import { ask } from "./server.js";
import { BILINEAR, LANCZOS, inverse, opaque, resize, thumbnailSize, transpose } from "./pillow.js";
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
/**
 * From 2,048 px on, Pillow averages before it scales. So does the browser, to twice the copy: beyond that
 * its own scaling shows in the angle.
 */
const MOST_SIDE = 4 * LONG_SIDE - 1;
const DRAWN_SIDE = 2 * LONG_SIDE;
const WARM_UP = { width: 1500, height: 1000, draft: null };

/** The model, ready to predict; it is loaded once. */
export const loadModel = once(load);
const loadRuntime = once(() => loadLiteRt(RUNTIME)); // it refuses to be loaded twice

/**
 * A function that starts something once, and once more only after it failed.
 * @template T @param {() => Promise<T>} start @returns {() => Promise<T>}
 */
function once(start) {
  /** @type {Promise<T> | null} */
  let started = null;
  return () => {
    started ??= start().catch((error) => {
      started = null;
      throw error;
    });
    return started;
  };
}

async function load() {
  /** @type {ModelFacts} */
  const facts = await ask("/model.json").then((answer) => answer.json());
  const [content, faces] = await Promise.all([
    ask("/model.tflite").then((answer) => answer.arrayBuffer()),
    facts.faces ? ask("/faces.tflite").then((answer) => answer.arrayBuffer()) : null,
    loadRuntime(),
  ]);
  const model = new Model(facts, await compile(content), faces && new FaceFinder(await compile(faces)));
  // LiteRT sets itself up only now, and the browser compiles what will be needed
  const picture = blank(WARM_UP.width, WARM_UP.height).canvas;
  suggest(await model.predict({ picture, ...WARM_UP }), null, 2);
  return model;
}

/** @param {ArrayBuffer} content */
function compile(content) {
  return loadAndCompile(new Uint8Array(content), { accelerator: "wasm" });
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
   * @param {import("./decode.js").Decoded<ImageBitmap | HTMLCanvasElement>} photo
   * @param {number} [orientation] EXIF's, by which the photo is displayed
   * @returns {Promise<Prediction>}
   */
  async predict(photo, orientation = 1) {
    const copy = await smallCopy(photo, orientation);
    const content = findContent(copy);
    const [top, left, bottom, right] = content;
    const frame = photo.width / photo.height;
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
      image: new Tensor(new Float32Array(pixels), [1, size, size, 3]),
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
 * @param {import("./decode.js").Decoded<ImageBitmap | HTMLCanvasElement>} photo @param {number} orientation
 */
async function smallCopy({ picture, draft }, orientation) {
  const source = draft ?? (await picture);
  const turned = draft === null ? orientation : 1; // by which the source was
  const [width, height] = swapsSides(turned) ? [source.height, source.width] : [source.width, source.height];
  const longSide = Math.max(width, height);
  const scale = longSide <= MOST_SIDE ? 1 : DRAWN_SIDE / longSide;
  const drawn = drawTurned(
    source,
    inverse(turned),
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  const copy = resize(opaque(drawn), ...thumbnailSize(width, height, LONG_SIDE), LANCZOS);
  return orientation === 1 ? copy : transpose(copy, orientation);
}

/**
 * A picture's pixels in RGBA, as an EXIF orientation displays it.
 * @param {ImageBitmap | HTMLCanvasElement} picture @param {number} orientation
 * @param {number} width of the result, in px @param {number} height
 */
function drawTurned(picture, orientation, width, height) {
  const { context } = blank(width, height, true);
  const [across, down] = swapsSides(orientation) ? [height, width] : [width, height];
  context.setTransform(...turnMatrix(orientation, across, down));
  context.drawImage(picture, 0, 0, across, down);
  return context.getImageData(0, 0, width, height);
}
