/**
 * Reads a photo that somebody has chosen: what it is, how large, and its pixels as the browser
 * shows them, upright and in sRGB.
 */

import { swapsSides, turnMatrix } from "./crops.js";
import { readOrientation } from "./own_crop.js";

/**
 * @typedef {{kind: string, width: number, height: number, exif: Uint8Array | null,
 *   exifAt: number, notShown: "" | "HEIC" | "TIFF and RAW"}} Header
 *   `kind` is a media type; width and height are the stored ones in px, 0 where they are not known;
 *   `exif` is a WebP's, which exifr does not find, and `exifAt` where its chunk begins; `notShown`
 *   names kinds that no browser shows
 */

/** A photo that cannot be used; the message is for people. */
export class PhotoError extends Error {}

const MOST_MEGAPIXELS = 200;
const HEADER_BYTES = 1 << 20;
const MOST_CHUNKS = 1000; // of a WebP: an animation has one for each of its pictures
/** TIFF and what is built on it; BigTIFF; Panasonic, Olympus and Fujifilm. */
const RAW_STARTS = ["II*\0", "MM\0*", "II+\0", "IIU\0", "IIRO", "IIRS", "MMOR", "FUJIFILMCCD-RAW"];

/**
 * Reads what a photo's first bytes tell. Raises PhotoError for what is none.
 * @param {Blob} file @returns {Promise<Header>}
 */
export async function readHeader(file) {
  if (file.size === 0) throw new PhotoError("The file is empty.");
  const bytes = new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer());
  const header = isWebp(bytes) ? await webp(file) : parse(bytes);
  const megapixels = (header.width * header.height) / 1e6;
  if (megapixels > MOST_MEGAPIXELS) {
    throw new PhotoError(
      `The photo has ${Math.round(megapixels)} megapixels; the page takes up to ${MOST_MEGAPIXELS}.`,
    );
  }
  return header;
}

/**
 * Decodes a photo, upright. Raises PhotoError if it is damaged.
 * @param {Blob} file @param {Header} header @returns {Promise<ImageBitmap>}
 */
export async function decode(file, { exif, exifAt }) {
  try {
    // Whether EXIF turns a WebP, browsers do not agree: it is hidden from them
    const hidden = new Blob([file.slice(0, exifAt), "JUNK", file.slice(exifAt + 4)]);
    const source = exif === null ? file : hidden;
    const decoded = await createImageBitmap(source, { colorSpaceConversion: "default" });
    const bitmap = exif === null ? decoded : await turn(decoded, await readOrientation(exif));
    if (bitmap.width * bitmap.height > MOST_MEGAPIXELS * 1e6) {
      bitmap.close();
      throw new PhotoError(`The photo has more than ${MOST_MEGAPIXELS} megapixels.`);
    }
    return bitmap;
  } catch (error) {
    if (error instanceof PhotoError) throw error;
    throw new PhotoError("The photo cannot be read: it is damaged, or not of the kind it seems.");
  }
}

/**
 * Draws a picture at another size, on white where it is transparent.
 * @param {CanvasImageSource} source @param {number} width @param {number} height
 * @param {boolean} [isRead] whether its pixels are to be read
 */
export function draw(source, width, height, isRead = false) {
  const { canvas, context } = blank(width, height, isRead);
  context.drawImage(source, 0, 0, width, height);
  return { canvas, context };
}

/** A white picture. @param {number} width @param {number} height @param {boolean} [isRead] */
export function blank(width, height, isRead = false) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: isRead, alpha: false });
  if (context === null) throw new PhotoError("The browser has no memory for the photo.");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  return { canvas, context };
}

/** The picture as an EXIF orientation displays it. @param {ImageBitmap} bitmap @param {number} orientation */
async function turn(bitmap, orientation) {
  if (orientation === 1) return bitmap;
  const { width, height } = bitmap;
  const { canvas, context } = blank(
    swapsSides(orientation) ? height : width,
    swapsSides(orientation) ? width : height,
  );
  context.setTransform(...turnMatrix(orientation, width, height));
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return createImageBitmap(canvas);
}

/** @param {Uint8Array} bytes */
function isWebp(bytes) {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  return start.startsWith("RIFF") && start.endsWith("WEBP");
}

/** @param {Uint8Array} bytes @returns {Header} */
function parse(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = String.fromCharCode(...bytes.subarray(0, 16));
  if (start.startsWith("\xff\xd8\xff")) return jpeg(view);
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return png(view);
  if (start.slice(4, 8) === "ftyp") {
    const brands = String.fromCharCode(...bytes.subarray(8, 64));
    if (brands.includes("avif") || brands.includes("avis")) return unknown("image/avif");
    if (/hei[cfmsx]|hev[cx]|mif1|msf1/.test(brands)) {
      return { ...unknown("image/heic"), notShown: "HEIC" };
    }
  }
  const isRaw = RAW_STARTS.some((one) => start.startsWith(one)) || start.slice(4, 11) === "ftypcrx";
  if (isRaw) return { ...unknown("image/tiff"), notShown: "TIFF and RAW" };
  throw new PhotoError("This is not a photo of a kind that the page knows, such as JPEG, PNG, WebP or AVIF.");
}

/** @param {string} kind @returns {Header} */
const unknown = (kind) => ({ kind, width: 0, height: 0, exif: null, exifAt: 0, notShown: "" });

/** @param {DataView} view @returns {Header} */
function jpeg(view) {
  let at = 2;
  while (at + 9 < view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return { ...unknown("image/jpeg"), width, height };
    }
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return unknown("image/jpeg");
}

/** @param {DataView} view @returns {Header} */
function png(view) {
  if (view.byteLength < 24) return unknown("image/png");
  return { ...unknown("image/png"), width: view.getUint32(16), height: view.getUint32(20) };
}

/** Reads a WebP's chunks; EXIF comes after the pixels. @param {Blob} file @returns {Promise<Header>} */
async function webp(file) {
  const header = unknown("image/webp");
  let at = 12;
  for (let count = 0; count < MOST_CHUNKS && at + 18 < file.size; count += 1) {
    const view = new DataView(await file.slice(at, at + 18).arrayBuffer());
    const name = String.fromCharCode(...new Uint8Array(view.buffer, 0, 4));
    const size = view.getUint32(4, true);
    if (name === "VP8X") {
      header.width = 1 + (view.getUint32(12, true) & 0xffffff);
      header.height = 1 + (view.getUint32(14, true) >>> 8);
    } else if (name === "VP8L" && header.width === 0) {
      const bits = view.getUint32(9, true);
      header.width = 1 + (bits & 0x3fff);
      header.height = 1 + ((bits >> 14) & 0x3fff);
    } else if (name === "VP8 " && header.width === 0) {
      header.width = view.getUint16(14, true) & 0x3fff;
      header.height = view.getUint16(16, true) & 0x3fff;
    } else if (name === "EXIF") {
      const content = new Uint8Array(await file.slice(at + 8, at + 8 + size).arrayBuffer());
      const isPrefixed = String.fromCharCode(...content.subarray(0, 4)) === "Exif";
      header.exif = content.slice(isPrefixed ? 6 : 0);
      header.exifAt = at;
    }
    at += 8 + size + (size % 2);
  }
  return header;
}
