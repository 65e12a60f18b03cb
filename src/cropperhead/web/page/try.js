/** The page on which somebody tries the model on a photo: choose, see, correct, save. */

import { PhotoError, blank } from "./canvas.js";
import { WHOLE, isSame, overlap } from "./crops.js";
import { close, decodeSmall, readHeader } from "./decode.js";
import { download, find, isTyping, make, number } from "./dom.js";
import { Editor } from "./editor.js";
import { loadModel } from "./model.js";
import { ownCrop, readMetadata } from "./own_crop.js";
import { croppedCopy, cutOut } from "./save.js";
import { Sender, readTerms } from "./send.js";
import { readOffer, readable, sidecar } from "./server.js";
import { SIZES, USUAL, confidenceOfWhole, suggest } from "./suggest.js";

/**
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {{label: string, key: string, crop: Crop, confidence: number | null}} Choice
 */

const SHOWN_SIDE = 2000; // px of the picture in the editor, at most; a half of 12 megapixels has them
const THUMBNAIL_SIDE = 144; // px
const MOST_SUGGESTIONS = 4;
/** Kinds of photos whose EXIF alone says how they are turned, as the server takes it of a sidecar. */
const TURNED_BY_EXIF = ["image/jpeg", "image/png", "image/webp"];
const RAW_OR_TIFF = "Lightroom reads no sidecars of JPEG and TIFF files, only of RAW files.";

const editor = new Editor();
const page = {
  choose: find("choose", HTMLElement),
  file: find("file", HTMLInputElement),
  status: find("status", HTMLElement),
  problem: find("problem", HTMLElement),
  work: find("work", HTMLElement),
  suggested: find("suggested", HTMLElement),
  suggestions: find("suggestions", HTMLElement),
  remarks: find("remarks", HTMLElement),
  straighten: find("straighten", HTMLInputElement),
  size: find("size", HTMLSelectElement),
  model: find("model", HTMLElement),
  saveCopy: find("save-copy", HTMLButtonElement),
  saveSidecar: find("save-sidecar", HTMLButtonElement),
  sidecarEditor: find("sidecar-editor", HTMLSelectElement),
  sidecarNote: find("sidecar-note", HTMLElement),
  send: find("send", HTMLElement),
  sent: find("sent", HTMLElement),
  blind: find("blind", HTMLElement),
  reveal: find("reveal", HTMLButtonElement),
  unless: find("unless", HTMLElement),
  readsPhotos: find("reads-photos", HTMLElement),
  kinds: find("kinds", HTMLElement),
};
/** @type {import("./save.js").Photo | null} */
let photo = null;
/** @type {Choice[]} */
let choices = [];
/** @type {import("./model.js").Prediction | null} */
let prediction = null;
let wish = USUAL;
/** @type {Sender | null} where people can send their crops */
let sender = null;
/** @type {Pick<import("./send.js").Work, "picture" | "shown" | "started" | "startedFrom"> | null} */
let beginning = null;
let isOfferShown = false;
let modelName = ""; // until it is loaded
let turn = 0; // counts the photos that were chosen: an earlier one's result comes too late

/** @param {File} file */
async function open(file) {
  const mine = (turn += 1);
  const isStale = () => mine !== turn;
  showOffer(); // which the server may not have said so far
  say("Reading the photo…");
  page.problem.textContent = "";
  try {
    const header = await readHeader(file);
    const reading = readMetadata(header.exif ?? file); // while the photo is decoded
    const picture = await readable(file, header);
    const decoded = await decodeSmall(picture, header, enoughPixels());
    if (isStale()) return close(decoded);
    say(modelName === "" ? "Loading the model…" : "Predicting…");
    const { width, height } = decoded;
    const { outputs, stored, shown } = await look(header, reading, decoded);
    if (isStale()) return;
    photo = { name: file.name || "photo.jpg", file: picture, header, stored };
    prediction = outputs;
    choices = choicesFor(outputs);
    show(shown, width, height);
  } catch (error) {
    if (isStale()) return;
    fail(error, file.name);
  }
}

/**
 * What the model says of a photo, what its metadata tells, and the picture for the editor. The decoded
 * one, which may be large, is let go of in any case.
 * @param {import("./decode.js").Header} header @param {Promise<import("./own_crop.js").Metadata>} reading
 * @param {import("./decode.js").Decoded} decoded
 */
async function look(header, reading, decoded) {
  const { picture, width, height } = decoded;
  try {
    const [model, metadata] = await Promise.all([loadModel(), reading]);
    const stored = ownCrop(metadata, width, height);
    nameModel(model.facts);
    const orientation = TURNED_BY_EXIF.includes(header.kind) ? stored.orientation : 1;
    const outputs = await model.predict(decoded, orientation);
    return { outputs, stored, shown: shrunk(await picture) };
  } finally {
    close(decoded);
  }
}

/** @param {import("./model.js").Prediction} outputs @returns {Choice[]} */
function choicesFor(outputs) {
  const found = suggest(outputs, null, MOST_SUGGESTIONS, wish).map((one, index) => ({
    label: index === 0 ? "Suggested" : `Alternative ${index}`,
    key: String(index + 1),
    ...one,
  }));
  const whole = { label: "Leave it", key: "0", crop: { ...WHOLE } };
  const confidence = confidenceOfWhole(outputs, wish);
  const own = photo?.stored.crop ?? null;
  const owns = own === null ? [] : [{ label: "Your own crop", key: "9", crop: own, confidence: null }];
  return [...found, { ...whole, confidence }, ...owns];
}

/** Suggests anew, as the controls say, and takes the first suggestion. */
function suggestAgain() {
  const size = /** @type {keyof typeof SIZES} */ (page.size.value);
  wish = { straighten: page.straighten.checked, size: SIZES[size] };
  if (prediction === null || beginning === null) return;
  choices = choicesFor(prediction);
  showChoices(beginning.picture);
  take(choices[0]);
}

/** @param {HTMLCanvasElement} picture @param {number} width @param {number} height */
function show(picture, width, height) {
  page.work.hidden = false;
  page.choose.classList.add("is-small");
  const isBlind = sender?.isBlind ?? false;
  showChoices(picture);
  reveal(!isBlind);
  beginning = {
    picture,
    shown: isBlind ? "whole" : "suggestion",
    started: isBlind ? { ...WHOLE } : choices[0].crop,
    startedFrom: isBlind ? "whole" : "suggestion",
  };
  editor.load(picture, width, height, beginning.started);
  editor.compare(photo?.stored.crop ?? null);
  const isWorded = photo !== null && TURNED_BY_EXIF.includes(photo.header.kind);
  page.saveSidecar.disabled = !isWorded;
  page.sidecarNote.textContent = isWorded
    ? ""
    : "`cropperhead suggest --write` writes sidecars of such files.";
  mark();
  say("");
  editor.stage.element.focus({ preventScroll: true });
}

/** Shows the choices, and what is to be said of them. @param {HTMLCanvasElement} picture */
function showChoices(picture) {
  page.suggestions.replaceChildren(...choices.map((choice) => card(choice, picture)));
  page.remarks.replaceChildren(...remarks().map((text) => make("p", { textContent: text })));
}

/** Shows the suggestions, or that they can be shown. @param {boolean} isWanted */
function reveal(isWanted) {
  page.suggested.hidden = !isWanted;
  page.blind.hidden = isWanted;
}

/** Starts from a suggestion, the whole photo, or the photo's own crop. @param {Choice} choice */
function take(choice) {
  reveal(true);
  if (beginning !== null) {
    const kinds = /** @type {const} */ ({ 0: "whole", 9: "own" });
    const startedFrom = kinds[/** @type {"0" | "9"} */ (choice.key)] ?? "suggestion";
    beginning = { ...beginning, started: choice.crop, startedFrom };
  }
  editor.reset(choice.crop);
}

/**
 * What a person would send now; null without a photo. `suggested` is the model's own suggestion, also
 * where the person started from one that is tighter, looser or not straightened.
 */
function workToSend() {
  if (beginning === null || prediction === null) return null;
  const { crop, confidence } = suggest(prediction, null, MOST_SUGGESTIONS)[0];
  return { ...beginning, crop: editor.crop, suggested: crop, confidence, model: modelName };
}

/** @param {Choice} choice @param {HTMLCanvasElement} picture */
function card(choice, picture) {
  const thumbnail = cutOut(picture, choice.crop, THUMBNAIL_SIDE);
  thumbnail.setAttribute("aria-hidden", "true");
  const confidence = choice.confidence === null ? "" : `confidence ${number(choice.confidence, 2)}`;
  const turned = choice.crop.angle === 0 ? "" : `turned by ${number(choice.crop.angle, 1)}°`;
  const made = make(
    "button",
    { type: "button", className: "card", title: `${choice.label} (${choice.key})` },
    thumbnail,
    make(
      "span",
      {},
      make("strong", { textContent: choice.label }),
      make("span", { textContent: confidence }),
      make("span", { textContent: turned }),
    ),
  );
  made.addEventListener("click", () => take(choice));
  return made;
}

/** What is to be said of the suggestion: how likely its turn helps, and what speaks against it. */
function remarks() {
  if (prediction === null) return [];
  const { crop } = choices[0];
  const own = photo?.stored.crop ?? null;
  const said = [];
  if (crop.angle !== 0 && prediction.straightening !== null) {
    said.push(`Turning it helps with a probability of ${number(100 * prediction.straightening)} %.`);
  }
  if (prediction.isUnlike) {
    said.push("The photo is unlike those that the model learned from: the suggestion is a cautious one.");
  }
  if (own !== null) {
    const shared = number(overlap(own, crop, prediction.frame), 2);
    said.push(`Lightroom's own crop in this photo is dashed. It overlaps the suggestion by ${shared}.`);
  }
  return said;
}

/** Marks the suggestion that the crop is, if any. */
function mark() {
  [...page.suggestions.children].forEach((element, index) => {
    element.setAttribute("aria-pressed", String(isSame(choices[index].crop, editor.crop)));
  });
}

/** The picture for the editor, in place of one that may be larger. @param {ImageBitmap} picture */
function shrunk(picture) {
  const scale = Math.min(1, SHOWN_SIDE / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  // drawn, since a canvas that a bitmap is handed to shows it turned, but is itself drawn unturned
  const { canvas, context } = blank(width, height, true);
  context.drawImage(picture, 0, 0, width, height);
  return canvas;
}

/** How many px of a photo's long side are enough for this screen. */
const enoughPixels = () =>
  Math.min(SHOWN_SIDE, 0.75 * devicePixelRatio * Math.max(screen.width, screen.height));

/** @param {string} text */
function say(text) {
  page.status.textContent = text;
}

/** @param {unknown} error @param {string} name of the photo, which may not be the one that is shown */
function fail(error, name = "") {
  say("");
  const isOurs = error instanceof PhotoError;
  const named = name === "" ? "" : `${name}: `;
  page.problem.textContent = isOurs ? named + error.message : `The model cannot be used: ${error}`;
}

/** @param {(photo: import("./save.js").Photo) => Promise<{content: Blob, name: string}>} make_ @param {HTMLButtonElement} button */
async function save(make_, button) {
  if (photo === null) return;
  button.disabled = true;
  page.problem.textContent = "";
  say("Saving…");
  try {
    const { content, name } = await make_(photo);
    download(content, name);
    say(`Saved ${name}.`);
  } catch (error) {
    say("");
    page.problem.textContent =
      error instanceof PhotoError ? error.message : `It could not be saved: ${error}`;
  } finally {
    button.disabled = false;
  }
}

/** @param {DataTransfer | null} transfer */
function openFrom(transfer) {
  const file = [...(transfer?.files ?? [])][0];
  if (file) open(file);
  return file !== undefined;
}

function listen() {
  page.file.addEventListener("change", () => {
    const file = page.file.files?.[0];
    if (file) open(file);
    page.file.value = "";
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    page.choose.classList.add("is-over");
  });
  document.addEventListener("dragleave", () => page.choose.classList.remove("is-over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    page.choose.classList.remove("is-over");
    openFrom(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => openFrom(event.clipboardData));
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (photo === null || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) {
      if (photo !== null) editor.key(event);
      return;
    }
    const choice = choices.find((one) => one.key === event.key);
    if (choice) take(choice);
    else editor.key(event);
  });
  page.saveCopy.addEventListener("click", () =>
    save((one) => croppedCopy(one, editor.crop), page.saveCopy),
  );
  page.saveSidecar.addEventListener("click", () =>
    save((one) => sidecar(one, editor.crop, page.sidecarEditor.value), page.saveSidecar),
  );
  page.sidecarEditor.addEventListener("change", () => {
    page.sidecarNote.textContent = page.sidecarEditor.value === "lightroom" ? RAW_OR_TIFF : "";
  });
  page.reveal.addEventListener("click", () => reveal(true));
  for (const control of [page.straighten, page.size]) {
    control.addEventListener("change", suggestAgain);
  }
  editor.addEventListener("crop", mark);
  editor.suggestShape = (ratio) => {
    const isSuggested = choices.some(({ crop }) => isSame(crop, editor.crop));
    if (ratio === null || prediction === null || !isSuggested) return null;
    return suggest(prediction, ratio, 1, wish)[0].crop;
  };
}

/** Keeps the page for use without a server; a newer one shows itself, unless a photo is open. */
function keepForLater() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  const wasKept = workers.controller !== null;
  workers.addEventListener("controllerchange", () => {
    if (wasKept && photo === null) location.reload();
  });
  workers.register("/sw.js").catch(() => {}); // a private window has none
}

/** @param {import("./model.js").ModelFacts} facts */
function nameModel({ name, id }) {
  modelName = `${name}:${id}`.replace(/[^\w.:+-]/g, "-").slice(0, 64);
  page.model.textContent = `Model ${name}, ${id}.`;
}

/** Shows what the server offers, once it has said so. */
async function showOffer() {
  const offer = isOfferShown ? null : await readOffer();
  const terms = offer?.collects ? await readTerms() : null;
  const isKnown = offer !== null && (terms !== null || !offer.collects);
  if (!isKnown || isOfferShown) return;
  isOfferShown = true;
  if (offer.readsPhotos) {
    page.readsPhotos.hidden = false;
    page.kinds.textContent = "JPEG, PNG, WebP, AVIF, HEIC, TIFF or RAW";
  }
  if (terms === null) return;
  sender = new Sender(terms, page.send, page.sent);
  sender.work = workToSend;
  page.unless.textContent = " unless you send it";
}

async function start() {
  find("editor", HTMLElement).replaceChildren(editor.element);
  listen();
  keepForLater();
  // before a photo is chosen: it takes longer than one
  const loading = loadModel().then(({ facts }) => nameModel(facts));
  await Promise.all([loading.catch((error) => fail(error)), showOffer()]);
  document.documentElement.dataset.ready = "true";
}

start();
