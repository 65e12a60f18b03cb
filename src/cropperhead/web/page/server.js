/** What the page asks of its server: what it offers, to word a sidecar, to read what no browser shows. */

import { PhotoError } from "./canvas.js";

/** @typedef {import("./crops.js").Crop} Crop */
/** @typedef {{readsPhotos: boolean, collects: boolean}} Offer what the server was started to do */

/** No server answers where the page asks. */
export class NoAnswer extends PhotoError {}

/** What the server offers now; null while it cannot be reached. @returns {Promise<Offer | null>} */
export async function readOffer() {
  try {
    return await (await ask("/server.json")).json();
  } catch {
    return null; // without a server the page works all the same
  }
}

/**
 * Asks the server. Raises PhotoError with what the server says went wrong, NoAnswer if it says nothing.
 * @param {string} path @param {RequestInit} [request]
 */
export async function ask(path, request) {
  const answer = await fetch(path, request).catch(() => {
    throw new NoAnswer("The server does not answer. It may have been stopped.");
  });
  if (!answer.ok) throw new PhotoError(await reason(answer));
  return answer;
}

/**
 * A photo as the browser can decode it: itself, or the JPEG that the server makes of it.
 * @param {File} file @param {import("./decode.js").Header} header
 * @returns {Promise<Blob>}
 */
export async function readable(file, { notShown }) {
  if (notShown === "") return file;
  if (!(await readOffer())?.readsPhotos) {
    throw new PhotoError(
      `Browsers cannot show ${notShown} photos. Export it as JPEG, or use ` +
        "`cropperhead review FOLDER`, which reads them.",
    );
  }
  const answer = await fetch("/api/picture", {
    method: "POST",
    headers: { "X-File-Name": encodeURIComponent(file.name) },
    body: file,
  }).catch(() => {
    // also where a busy server closes the connection before all of the photo is sent
    throw new PhotoError("The server did not take the photo. Try again later.");
  });
  if (!answer.ok) throw new PhotoError(await reason(answer));
  return answer.blob();
}

/**
 * A sidecar with the crop for an editor, and its name. Only numbers and the photo's name are sent.
 * @param {import("./save.js").Photo} photo @param {Crop} crop @param {string} editor
 * @returns {Promise<{content: Blob, name: string}>}
 */
export async function sidecar(photo, crop, editor) {
  const { width, height, orientation } = photo.stored;
  const answer = await ask("/api/sidecar", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ editor, photo: photo.name, width, height, orientation, crop }),
  });
  return { content: await answer.blob(), name: decodeURIComponent(answer.headers.get("X-File-Name") ?? "sidecar") };
}

/** What an answer of the server says went wrong. @param {Response} answer */
async function reason(answer) {
  const text = await answer.text();
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : detail[0].msg;
  } catch {
    return text || `The server answers ${answer.status}.`;
  }
}
