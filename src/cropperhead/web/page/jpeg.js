/**
 * Large JPEGs as Pillow's `draft` decodes them, at a half to an eighth of each side: libjpeg computes
 * the averages of squares, without the pixels that are averaged.
 *
 * Chromium does the same for a size that is wished for, to the last bit. Firefox 153 decodes all pixels,
 * and scales them by a filter of its own: there, they are averaged here.
 */

import { blank } from "./canvas.js";
import { swapsSides, turnMatrix } from "./crops.js";
import { inverse } from "./pillow.js";

/** @typedef {{width: number, height: number}} Sides in px, as stored */

const KIND = "image/jpeg";
const [APP1, START_OF_SCAN] = [0xe1, 0xda];
const BLOCK = 8; // px
const STRIP = 128; // rows that are worked on at a time: whole blocks
const PROBE = { width: 4 * BLOCK, height: BLOCK };
const MOST_OFF = 8; // levels, of a JPEG's loss

/** A JPEG's sides by its header; 0 where they are not in the bytes. @param {DataView} view @returns {Sides} */
export function readSides(view) {
  for (const { marker, at } of segments(view)) {
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
  }
  return { width: 0, height: 0 };
}

/** A JPEG's segments before its pixels: what each is, and where it begins. @param {DataView} view */
function* segments(view) {
  let at = 2;
  while (at + 9 < view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    if (marker === START_OF_SCAN) return;
    if (marker !== 0xff) yield { marker, at };
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
}

/** Hides a JPEG's EXIF from decoders, which would turn the pixels. @param {Uint8Array<ArrayBuffer>} jpeg is changed */
export function withoutExif(jpeg) {
  for (const { marker, at } of segments(new DataView(jpeg.buffer))) {
    if (marker === APP1) jpeg.fill(0, at + 4, at + 8); // the name of what it holds
  }
  return jpeg;
}

/**
 * A JPEG at a part of its size, as it is stored; null if the browser gives another size, as it may.
 * Raises an error where it has no `ImageDecoder`: pages of another computer without HTTPS, for one.
 * @param {Uint8Array<ArrayBuffer>} content without EXIF; it is used up @param {Sides} sides @param {number} part
 * @returns {Promise<ImageBitmap | null>}
 */
export async function decodePart(content, { width, height }, part) {
  const [across, down] = [Math.ceil(width / part), Math.ceil(height / part)];
  const sidesWished = { desiredWidth: across, desiredHeight: down };
  const decoder = new ImageDecoder({ type: KIND, data: content, transfer: [content.buffer], ...sidesWished });
  const { image } = await decoder.decode().finally(() => decoder.close());
  // which is drawn faster
  const bitmap = await createImageBitmap(image).finally(() => image.close());
  if (bitmap.width === across && bitmap.height === down) return bitmap;
  bitmap.close();
  return null;
}

/** @type {Promise<boolean> | null} */
let probing = null;

/** Whether `decodePart` gives libjpeg's pixels here: of one white block among black ones, no more. */
export function decodesParts() {
  probing ??= probe().catch(() => false);
  return probing;
}

async function probe() {
  const { canvas, context } = blank(PROBE.width, PROBE.height, true);
  context.fillStyle = "black";
  context.fillRect(0, 0, PROBE.width, PROBE.height);
  context.fillStyle = "white";
  context.fillRect(BLOCK, 0, BLOCK, BLOCK);
  /** @type {Blob | null} */
  const jpeg = await new Promise((resolve) => canvas.toBlob(resolve, KIND, 1));
  if (jpeg === null) return false;
  const small = await decodePart(new Uint8Array(await jpeg.arrayBuffer()), PROBE, BLOCK);
  if (small === null) return false;
  context.drawImage(small, 0, 0);
  const { data } = context.getImageData(0, 0, small.width, small.height);
  small.close();
  return [0, 255, 0, 0].every((level, place) => Math.abs(data[4 * place] - level) <= MOST_OFF);
}

/**
 * What libjpeg makes of a JPEG at a part of its size, as it is stored, found in all of its pixels. They
 * differ by what was rounded, and by how colours that are stored at half of the size were enlarged.
 * Raises PhotoError where the browser has no memory for that.
 * @param {ImageBitmap} picture upright @param {number} orientation EXIF's @param {number} part
 * @returns {Promise<ImageBitmap>}
 */
export async function averageParts(picture, orientation, part) {
  const [width, height] = swapsSides(orientation) ? [picture.height, picture.width] : [picture.width, picture.height];
  const result = new ImageData(Math.ceil(width / part), Math.ceil(height / part));
  const [a, b, c, d, e, f] = turnMatrix(inverse(orientation), picture.width, picture.height);
  const { context } = blank(width, Math.min(STRIP, height), true);
  for (let top = 0; top < height; top += STRIP) {
    const rows = Math.min(STRIP, height - top);
    context.setTransform(a, b, c, d, e, f - top);
    context.drawImage(picture, 0, 0);
    average(context.getImageData(0, 0, width, rows), part, result, top / part);
  }
  return createImageBitmap(result);
}

/**
 * The averages of a strip's squares; those at the right and the bottom may be cut off.
 * @param {ImageData} strip @param {number} side of the squares @param {ImageData} result
 * @param {number} firstRow of the result
 */
function average({ width, height, data }, side, result, firstRow) {
  let to = 4 * result.width * firstRow;
  for (let y = 0; y < height; y += side) {
    for (let x = 0; x < width; x += side, to += 4) {
      const right = Math.min(x + side, width);
      const bottom = Math.min(y + side, height);
      const count = (right - x) * (bottom - y);
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let row = y; row < bottom; row += 1) {
        for (let at = 4 * (row * width + x); at < 4 * (row * width + right); at += 4) {
          red += data[at];
          green += data[at + 1];
          blue += data[at + 2];
        }
      }
      // halves up, as libjpeg and Pillow; there, they would go to an even number
      result.data[to] = Math.floor(red / count + 0.5);
      result.data[to + 1] = Math.floor(green / count + 0.5);
      result.data[to + 2] = Math.floor(blue / count + 0.5);
      result.data[to + 3] = 255;
    }
  }
}
