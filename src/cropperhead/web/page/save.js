/** Cuts a crop out of a photo, and saves it as a copy. */

import { pixels, radians } from "./crops.js";
import { PhotoError, blank } from "./canvas.js";
import { decodeAs } from "./decode.js";

/**
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {{name: string, file: Blob, header: import("./decode.js").Header,
 *   stored: import("./own_crop.js").OwnCrop}} Photo
 */

const QUALITY = 0.95;
const SUFFIXES = { "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp" };

/**
 * The cropped copy at full resolution, without metadata, and its name.
 * @param {Photo} photo @param {Crop} crop @returns {Promise<{content: Blob, name: string}>}
 */
export async function croppedCopy(photo, crop) {
  const bitmap = await decodeAs(photo.file, photo.header, photo.stored);
  const canvas = cutOut(bitmap, crop);
  bitmap.close();
  const { kind: own } = photo.header;
  const kind = own in SUFFIXES ? own : "image/jpeg";
  const content = await new Promise((resolve) => canvas.toBlob(resolve, kind, QUALITY));
  if (!(content instanceof Blob)) throw new PhotoError("The copy is too large for this browser.");
  const suffix = SUFFIXES[/** @type {keyof typeof SUFFIXES} */ (content.type)] ?? ".jpg";
  return { content, name: `${stem(photo.name)}-cropped${suffix}` };
}

/**
 * Cuts a crop out of an upright photo.
 * @param {ImageBitmap | HTMLCanvasElement} photo @param {Crop} crop
 * @param {number} [longSide] of the result in px, at most
 */
export function cutOut(photo, crop, longSide = Infinity) {
  const box = pixels(crop, photo.width, photo.height);
  const exact = {
    width: (crop.right - crop.left) * photo.width,
    height: (crop.bottom - crop.top) * photo.height,
  };
  const isLevel = crop.angle === 0;
  const full = isLevel
    ? { width: box.right - box.left, height: box.bottom - box.top }
    : { width: Math.max(1, Math.round(exact.width)), height: Math.max(1, Math.round(exact.height)) };
  const scale = Math.min(1, longSide / Math.max(full.width, full.height));
  const width = Math.max(1, Math.round(full.width * scale));
  const height = Math.max(1, Math.round(full.height * scale));
  const { canvas, context } = blank(width, height);
  context.setTransform(width / full.width, 0, 0, height / full.height, 0, 0);
  if (isLevel) {
    context.drawImage(photo, -box.left, -box.top);
    return canvas;
  }
  context.translate(full.width / 2, full.height / 2);
  context.rotate(radians(-crop.angle));
  const x = ((crop.left + crop.right) / 2) * photo.width;
  const y = ((crop.top + crop.bottom) / 2) * photo.height;
  context.drawImage(photo, -x, -y);
  return canvas;
}

/** @param {string} name */
const stem = (name) => name.replace(/\.[^.]*$/, "");
