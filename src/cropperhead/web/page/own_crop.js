/** What a photo's own metadata tells: how it is stored, and the crop that Lightroom left in it. */

import exifr from "./vendor/exifr.js";
import { lightroomCrop, swapsSides } from "./crops.js";

/**
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {{orientation: number, width: number, height: number, crop: Crop | null}} OwnCrop
 *   EXIF's orientation (1 to 8), the stored size in px, and the crop as the browser displays it
 * @typedef {{orientation: number, settings: Record<string, any>}} Metadata EXIF's orientation, Lightroom's settings
 */

const OPTIONS = {
  mergeOutput: false,
  xmp: true,
  tiff: true,
  exif: false,
  gps: false,
  interop: false,
  ifd1: false,
  translateValues: false,
  reviveValues: false,
};

/**
 * @param {Blob | Uint8Array} source a photo, or EXIF alone
 * @returns {Promise<Metadata>}
 */
export async function readMetadata(source) {
  const tags = await readTags(source);
  return { orientation: validOrientation(tags.ifd0?.Orientation), settings: tags.crs ?? {} };
}

/** How EXIF says that a photo is turned, 1 to 8. @param {Blob | Uint8Array} source as in `readMetadata` */
export async function readOrientation(source) {
  return (await readMetadata(source)).orientation;
}

/**
 * How a photo is stored, and its own crop.
 * @param {Metadata} metadata @param {number} width the displayed photo's in px @param {number} height
 * @returns {OwnCrop}
 */
export function ownCrop({ orientation, settings }, width, height) {
  const [storedWidth, storedHeight] = swapsSides(orientation) ? [height, width] : [width, height];
  return {
    orientation,
    width: storedWidth,
    height: storedHeight,
    crop: lightroomCrop(settings, storedWidth, storedHeight, orientation),
  };
}

/** @param {Blob | Uint8Array} source @returns {Promise<Record<string, any>>} */
async function readTags(source) {
  try {
    return (await exifr.parse(source, OPTIONS)) ?? {};
  } catch {
    return {}; // damaged metadata, or a format that has none
  }
}

/** @param {unknown} value */
function validOrientation(value) {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 8 ? Number(value) : 1;
}
