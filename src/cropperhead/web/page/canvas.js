/** Canvases to draw photos on. */

/** A photo that cannot be used; the message is for people. */
export class PhotoError extends Error {}

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
