/** What the page asks of its server: what it offers, to word a sidecar, to read what no browser shows. */

import { PhotoError } from "./decode.js";

/** @typedef {import("./crops.js").Crop} Crop */
/** @typedef {{readsPhotos: boolean, collects: boolean}} Offer what the server was started to do */

/** What the server offers now; nothing while it cannot be reached. @returns {Promise<Offer>} */
export async function readOffer() {
  try {
    const answer = await fetch("/server.json");
    if (answer.ok) return await answer.json();
  } catch {
    // without a server the page works all the same
  }
  return { readsPhotos: false, collects: false };
}

/**
 * A photo as the browser can decode it: itself, or the JPEG that the server makes of it.
 * @param {File} file @param {import("./decode.js").Header} header
 * @returns {Promise<Blob>}
 */
export async function readable(file, { notShown }) {
  if (notShown === "") return file;
  const { readsPhotos } = await readOffer();
  if (!readsPhotos) {
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
  const answer = await fetch("/api/sidecar", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ editor, photo: photo.name, width, height, orientation, crop }),
  });
  if (!answer.ok) throw new PhotoError(await reason(answer));
  return { content: await answer.blob(), name: decodeURIComponent(answer.headers.get("X-File-Name") ?? "sidecar") };
}

/** What an answer of the server says went wrong. @param {Response} answer */
export async function reason(answer) {
  const text = await answer.text();
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : detail[0].msg;
  } catch {
    return text || `The server answers ${answer.status}.`;
  }
}
