/**
 * Reads a photo that somebody has chosen: what it is, how large, and its pixels as the browser
 * shows them, upright and in sRGB.
 */

import { PhotoError, blank } from "./canvas.js";
import { swapsSides, turnMatrix } from "./crops.js";
import { averageParts, decodePart, decodesParts, readSides, withoutExif } from "./jpeg.js";
import { readOrientation } from "./own_crop.js";

/**
 * @typedef {{kind: string, width: number, height: number, exif: Uint8Array | null,
 *   exifAt: number, notShown: "" | "HEIC" | "TIFF and RAW"}} Header
 *   `kind` is a media type; width and height are the stored ones in px, 0 where they are not known;
 *   `exif` is a WebP's, which exifr does not find, and `exifAt` where its chunk begins; `notShown`
 *   names kinds that no browser shows
 */

/** @typedef {import("./jpeg.js").Sides & {orientation: number}} Stored how a photo is stored, and EXIF's orientation */

/**
 * @template {ImageBitmap | HTMLCanvasElement} [Picture=ImageBitmap]
 * @typedef {{picture: Picture | Promise<Picture>, width: number, height: number, draft: Picture | null}} Decoded
 *   a picture of a photo as it is displayed, which may be on its way; the photo's size in px; and of a
 *   large JPEG the pixels that Pillow's `draft` decodes, as they are stored, otherwise null
 */

const GONE = "The file cannot be read. Has it been changed, moved or removed since you chose it, or is it a folder?";
const DAMAGED = "The photo cannot be read: it is damaged, or not of the kind it seems.";
const MOST_MEGAPIXELS = 200;
const HEADER_BYTES = 1 << 20;
/** How many px of a JPEG's long side Pillow decodes at least, as `photos/image.py` has it. */
const DRAFT_SIDE = 717;
const ITEM_SIZE = 0x69737065; // "ispe"
const MEDIA_DATA = 0x6d646174; // "mdat"
const MOST_CHUNKS = 1000; // of a WebP: an animation has one for each of its pictures
/** TIFF and what is built on it; BigTIFF; Panasonic, Olympus and Fujifilm. */
const RAW_STARTS = ["II*\0", "MM\0*", "II+\0", "IIU\0", "IIRO", "IIRS", "MMOR", "FUJIFILMCCD-RAW"];

/**
 * Reads what a photo's first bytes tell. Raises PhotoError for what is none.
 * @param {Blob} file @returns {Promise<Header>}
 */
export async function readHeader(file) {
  if (file.size === 0) throw new PhotoError("The file is empty.");
  const bytes = await readBytes(file.slice(0, HEADER_BYTES));
  const header = isWebp(bytes) ? await webp(file) : parse(bytes);
  // What AVIF's boxes say is of no other use: they may turn and cut the picture
  const { width, height } = header.kind === "image/avif" ? largestItem(bytes) : header;
  const megapixels = (width * height) / 1e6;
  if (megapixels > MOST_MEGAPIXELS) {
    throw new PhotoError(
      `The photo has ${Math.round(megapixels)} megapixels; the page takes up to ${MOST_MEGAPIXELS}.`,
    );
  }
  return header;
}

/** @param {Blob} part of a file */
async function readBytes(part) {
  try {
    return new Uint8Array(await part.arrayBuffer());
  } catch {
    throw new PhotoError(GONE);
  }
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
    const orientation = exif === null ? 1 : await readOrientation(exif);
    const decoded = await createImageBitmap(source, { colorSpaceConversion: "default" });
    const bitmap = await turn(decoded, orientation);
    if (bitmap.width * bitmap.height > MOST_MEGAPIXELS * 1e6) {
      bitmap.close();
      throw new PhotoError(`The photo has more than ${MOST_MEGAPIXELS} megapixels.`);
    }
    return bitmap;
  } catch (error) {
    if (error instanceof PhotoError) throw error;
    await readBytes(file.slice(0, 1)); // of a file that is gone, decoders say no more than of a damaged one
    throw new PhotoError(DAMAGED);
  }
}

/**
 * Decodes a photo as it is known to be displayed. Of a JPEG whose EXIF is unusual, the browser may find
 * another orientation than exifr: it is hidden from the browser then. Raises PhotoError as `decode` does.
 * @param {Blob} file @param {Header} header @param {Stored} stored @returns {Promise<ImageBitmap>}
 */
export async function decodeAs(file, header, stored) {
  const { width, height } = displayed(stored, stored.orientation);
  /** @param {ImageBitmap} one */
  const isRight = (one) => one.width === width && one.height === height;
  const found = await decode(file, header);
  if (isRight(found)) return found;
  found.close();
  const unturned = await decode(new Blob([withoutExif(await readBytes(file))]), header);
  const picture = await turn(unturned, stored.orientation);
  if (isRight(picture)) return picture;
  picture.close();
  throw new PhotoError(DAMAGED);
}

/**
 * Decodes a photo, upright; a JPEG at an eighth to a half of its size, if `enough` px are left on its
 * long side. Of a large JPEG there are the model's pixels first, while the picture is still decoded.
 * Raises PhotoError as `decode` does; so may the picture.
 * @param {Blob} file @param {Header} header @param {number} enough @returns {Promise<Decoded>}
 */
export async function decodeSmall(file, header, enough) {
  const draftPart = partOf(header, DRAFT_SIDE);
  const part = Math.max(1, Math.min(partOf(header, enough), draftPart / 2)); // to look at crops of it, too
  const content = draftPart > 1 && (await decodesParts()) ? withoutExif(await readBytes(file)) : null;
  const [draft, orientation] = await Promise.all([
    content && decodePart(part === 1 ? content : content.slice(), header, draftPart).catch(() => null),
    draftPart > 1 ? readOrientation(file) : 1,
  ]);
  if (content === null || draft === null) return decodeWhole(file, header, orientation, draftPart);
  const picture = decodeShown(file, header, orientation, part, content);
  picture.catch(() => {}); // whoever needs it is told
  return { picture, ...displayed(header, orientation), draft };
}

/**
 * A photo with all of its pixels, from which a large JPEG's draft is made.
 * @param {Blob} file @param {Header} header @param {number} orientation @param {number} draftPart
 * @returns {Promise<Decoded>}
 */
async function decodeWhole(file, header, orientation, draftPart) {
  const picture = await decode(file, header);
  try {
    const draft = draftPart > 1 ? await averageParts(picture, orientation, draftPart) : null;
    return { picture, width: picture.width, height: picture.height, draft };
  } catch (error) {
    picture.close();
    throw error;
  }
}

/**
 * The picture for the editor; in full where the browser does not decode a part.
 * @param {Blob} file @param {Header} header @param {number} orientation @param {number} part
 * @param {Uint8Array<ArrayBuffer>} content without EXIF; it is used up, and not needed for part 1
 */
async function decodeShown(file, header, orientation, part, content) {
  const small = part === 1 ? null : await decodePart(content, header, part).catch(() => null);
  return small === null ? decodeAs(file, header, { ...header, orientation }) : turn(small, orientation);
}

/** Lets go of a photo's pixels, once they are there. @param {Decoded} decoded */
export async function close({ picture, draft }) {
  draft?.close();
  await Promise.resolve(picture).then((one) => one.close(), () => {});
}

/** Into how many parts the sides are divided for one of this length: 8, 4, 2 or 1. @param {Header} header @param {number} side */
function partOf({ kind, width, height }, side) {
  const longSide = kind === "image/jpeg" ? Math.max(width, height) : 0;
  return [8, 4, 2].find((part) => longSide >= part * side) ?? 1;
}

/** A photo's size in px as it is displayed. @param {import("./jpeg.js").Sides} stored @param {number} orientation */
const displayed = ({ width, height }, orientation) =>
  swapsSides(orientation) ? { width: height, height: width } : { width, height };

/** The picture as an EXIF orientation displays it; the bitmap is let go of, unless it is that. @param {ImageBitmap} bitmap @param {number} orientation */
async function turn(bitmap, orientation) {
  if (orientation === 1) return bitmap;
  const { width, height } = bitmap;
  try {
    const { canvas, context } = blank(
      swapsSides(orientation) ? height : width,
      swapsSides(orientation) ? width : height,
    );
    context.setTransform(...turnMatrix(orientation, width, height));
    context.drawImage(bitmap, 0, 0);
    return await createImageBitmap(canvas);
  } finally {
    bitmap.close();
  }
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
  if (start.startsWith("\xff\xd8\xff")) return { ...unknown("image/jpeg"), ...readSides(view) };
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

/**
 * The sides in px of the largest picture in an AVIF, by its `ispe` boxes (ISO/IEC 23008-12, 6.5.3).
 * @param {Uint8Array} bytes
 */
function largestItem(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = { width: 0, height: 0 };
  for (let at = 4; at + 16 <= bytes.length; at += 1) {
    if (view.getUint32(at) === MEDIA_DATA) break; // pixels, where these letters may be anything
    if (view.getUint32(at) !== ITEM_SIZE) continue;
    const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (width * height > found.width * found.height) Object.assign(found, { width, height });
  }
  return found;
}

/** @param {string} kind @returns {Header} */
const unknown = (kind) => ({ kind, width: 0, height: 0, exif: null, exifAt: 0, notShown: "" });

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
