/** The page on which somebody decides on the suggested crops of a folder, photo by photo. */

import { WHOLE, isSame } from "./crops.js";
import { count, find, isTyping, make, number } from "./dom.js";
import { Editor } from "./editor.js";
import { cutOut } from "./save.js";
import { NoAnswer, ask } from "./server.js";

/**
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {Crop & {confidence: number, straightening: number | null}} Suggested
 * @typedef {{index: number, name: string, state: "waiting" | "suggested" | "kept" | "failed",
 *   reason: string, width: number, height: number, crops: Suggested[], unlike: boolean,
 *   own: Crop | null, decision: "accepted" | "rejected" | "", crop: Crop | null,
 *   written: boolean, problem: string}} Photo
 * @typedef {{version: number, editor: string, folder: string, photos: Photo[], problem: string,
 *   writing: {done: number, total: number, is_running: boolean, problem: string}}} Changes
 */

const POLL_MS = { busy: 500, idle: 3000 };
const THUMBNAIL_SIDE = 144; // px
const AHEAD = 2; // photos that are loaded before they are wanted

const editor = new Editor();
const page = {
  counts: find("counts", HTMLElement),
  problem: find("problem", HTMLElement),
  filter: find("filter", HTMLSelectElement),
  least: find("least", HTMLInputElement),
  order: find("order", HTMLSelectElement),
  write: find("write", HTMLButtonElement),
  gridButton: find("grid-button", HTMLButtonElement),
  empty: find("empty", HTMLElement),
  grid: find("grid", HTMLElement),
  single: find("single", HTMLElement),
  name: find("name", HTMLElement),
  state: find("state", HTMLElement),
  accept: find("accept", HTMLButtonElement),
  reject: find("reject", HTMLButtonElement),
  undecide: find("undecide", HTMLButtonElement),
  previous: find("previous", HTMLButtonElement),
  next: find("next", HTMLButtonElement),
  suggestions: find("suggestions", HTMLElement),
};
/** @type {Photo[]} */
const photos = [];
/** @type {Map<number, HTMLLIElement>} */
const cells = new Map();
/** @type {Map<number, Promise<HTMLCanvasElement>>} */
const pictures = new Map();
/** @type {Changes | null} */
let latest = null;
/** The photo that is shown alone; null in the grid. @type {number | null} */
let shown = null;
/** The photo that the editor holds: another one until the picture is there. @type {number | null} */
let edited = null;
/** The photo that is shown without its picture, which cannot be loaded. @type {number | null} */
let unseen = null;
/** The indexes of the photos that the filter lets through, in order. @type {number[]} */
let listed = [];
/** How often the server has answered what was sent to it: what was asked for before may be older. */
let answered = 0;

async function poll() {
  let delay = POLL_MS.idle;
  const before = answered;
  try {
    const answer = await ask(`photos?since=${latest?.version ?? 0}`);
    const changes = /** @type {Changes} */ (await answer.json());
    const isOld = before !== answered;
    if (!isOld) apply(changes);
    const isBusy = isOld || changes.writing.is_running || photos.some(({ state }) => state === "waiting");
    if (isBusy) delay = POLL_MS.busy;
  } catch (error) {
    const kept = " Your decisions are kept: run `cropperhead review` again.";
    complain(`${message(error)}${error instanceof NoAnswer ? kept : ""}`, "server");
  }
  document.documentElement.dataset.ready = "true";
  setTimeout(poll, delay);
}

/** @param {Changes} changes */
function apply(changes) {
  const wasBroken = page.problem.dataset.kind === "server";
  const wasWaiting = shown !== null && photos[shown].state === "waiting";
  latest = changes;
  for (const photo of changes.photos) {
    photos[photo.index] = photo;
    fillCell(photo);
  }
  const problem = changes.writing.problem || changes.problem;
  if (problem) complain(problem);
  else if (wasBroken) complain("");
  if (changes.photos.length > 0) refresh();
  showCounts();
  const change = changes.photos.find(({ index }) => index === shown);
  if (change === undefined) return;
  if (wasWaiting && change.state !== "waiting") showSuggestion(change.index);
  else showState();
}

/** Shows a suggestion on the photo that waited for it, but keeps what a person has begun there. @param {number} index */
async function showSuggestion(index) {
  const isBegun = edited === index && (!editor.isUntouched || isInField());
  if (!isBegun) return show(index);
  const photo = photos[index];
  editor.photo = { width: photo.width || editor.photo.width, height: photo.height || editor.photo.height };
  editor.compare(photo.own);
  const picture = await load(index);
  if (shown !== index) return;
  fillSuggestions(photo, picture);
  showState();
}

/** Whether somebody may be typing in the editor. */
const isInField = () => editor.element.querySelector("input:focus, select:focus") !== null;

function refresh() {
  listed = photos.filter(isListed).sort(compare).map(({ index }) => index);
  const wanted = listed.map((index) => /** @type {HTMLLIElement} */ (cells.get(index)));
  const isSameOrder =
    wanted.length === page.grid.children.length &&
    wanted.every((cell, place) => cell === page.grid.children[place]);
  if (!isSameOrder) page.grid.replaceChildren(...wanted);
  page.empty.hidden = listed.length > 0 || shown !== null;
}

/** @param {Photo} photo */
function isListed(photo) {
  const confidence = photo.crops[0]?.confidence ?? 0;
  if (Number(page.least.value) > 0 && confidence < Number(page.least.value)) return false;
  /** @type {Record<string, boolean>} */
  const kinds = {
    all: true,
    undecided: photo.state === "suggested" && photo.decision === "",
    accepted: photo.decision === "accepted",
    changed: photo.crop !== null,
    rejected: photo.decision === "rejected",
    written: photo.written,
    problems: photo.problem !== "" || photo.state === "failed",
    kept: photo.state === "kept",
  };
  return kinds[page.filter.value];
}

/** @param {Photo} one @param {Photo} other */
function compare(one, other) {
  if (page.order.value === "unsure") {
    const [first, second] = [one, other].map(({ crops }) => crops[0]?.confidence ?? 2);
    if (first !== second) return first - second;
  }
  return one.index - other.index;
}

/** @param {Photo} photo */
function fillCell(photo) {
  const cell = cells.get(photo.index) ?? newCell(photo);
  const button = /** @type {HTMLButtonElement} */ (cell.firstElementChild);
  /** @type {HTMLElement} */ (button.querySelector(".said")).textContent = describe(photo);
  button.dataset.state = photo.written ? "written" : photo.decision || photo.state;
  const frame = /** @type {HTMLElement} */ (button.querySelector(".frame"));
  const image = /** @type {HTMLImageElement} */ (button.querySelector("img"));
  if (photo.state !== "waiting" && !image.src) image.src = `photos/${photo.index}/thumbnail`;
  const crop = photo.crop ?? photo.crops[0] ?? photo.own;
  frame.hidden = !crop || photo.decision === "rejected";
  if (crop) {
    frame.style.left = `${100 * crop.left}%`;
    frame.style.top = `${100 * crop.top}%`;
    frame.style.width = `${100 * (crop.right - crop.left)}%`;
    frame.style.height = `${100 * (crop.bottom - crop.top)}%`;
    frame.style.transform = `rotate(${crop.angle}deg)`;
  }
  /** @type {HTMLElement} */ (button.querySelector(".mark")).textContent = shortly(photo);
}

/** @param {Photo} photo */
function newCell(photo) {
  const image = make("img", { alt: "", loading: "lazy", decoding: "async" });
  const picture = make("span", { className: "thumbnail" }, image, make("span", { className: "frame" }));
  const caption = make(
    "span",
    { className: "caption" },
    make("span", { textContent: photo.name }),
    " ",
    make("span", { className: "mark" }),
    " ",
    make("span", { className: "said" }), // for screen readers
  );
  const button = make("button", { type: "button", className: "cell" }, picture, caption);
  button.addEventListener("click", () => show(photo.index));
  const cell = make("li", {}, button);
  cells.set(photo.index, cell);
  return cell;
}

/** @param {Photo} photo */
function describe(photo) {
  if (photo.problem) return photo.problem;
  if (photo.state === "waiting") return "waits for its suggestion";
  if (photo.state !== "suggested") return photo.reason;
  const [crop] = photo.crops;
  const confidence = `confidence ${number(crop.confidence, 2)}`;
  const turned = crop.angle === 0 ? "" : `, turned by ${number(crop.angle, 1)}°${helps(crop)}`;
  const unlike = photo.unlike ? ", unlike the photos that the model learned from" : "";
  const decided = photo.decision === "" ? "undecided" : photo.decision;
  const changed = photo.crop === null ? "" : ", changed by you";
  const written = photo.written ? `, written for ${latest?.editor}` : "";
  return `${decided}${changed}${written}, ${confidence}${turned}${unlike}`;
}

/** @param {Suggested} crop */
function helps({ straightening }) {
  return straightening === null ? "" : ` (helps with a probability of ${number(100 * straightening)} %)`;
}

/** @param {Photo} photo */
function shortly(photo) {
  if (photo.problem || photo.state === "failed") return "problem";
  if (photo.state === "kept") return "cropped by a person";
  if (photo.state === "waiting") return "…";
  if (photo.written) return "written";
  return photo.decision || number(photo.crops[0].confidence, 2);
}

function showCounts() {
  /** @param {(photo: Photo) => boolean} test */
  const countOf = (test) => number(photos.filter(test).length);
  const waiting = photos.filter(({ state }) => state === "waiting").length;
  const ready = photos.filter(isToBeWritten).length;
  const writing = latest?.writing;
  const parts = [
    count(photos.length, "photo"),
    ...(waiting > 0 ? [`${number(waiting)} waiting for a suggestion`] : []),
    `${countOf(({ decision }) => decision === "accepted")} accepted`,
    `${countOf(({ decision }) => decision === "rejected")} rejected`,
    `${countOf(({ written }) => written)} written for ${latest?.editor}`,
  ];
  page.counts.textContent = `${latest?.folder}: ${parts.join(", ")}`;
  page.write.textContent = writing?.is_running
    ? `Writing ${number(writing.done)} of ${number(writing.total)}…`
    : `Write ${count(ready, "accepted crop")}`;
  page.write.disabled = Boolean(writing?.is_running) || ready === 0;
}

/** @param {Photo} photo */
const isToBeWritten = ({ state, decision, written }) =>
  state === "suggested" && decision === "accepted" && !written;

/** Shows one photo alone. @param {number} index */
async function show(index) {
  shown = index;
  edited = unseen = null;
  editor.element.classList.add("is-empty");
  const photo = photos[index];
  page.grid.hidden = true;
  page.empty.hidden = true;
  page.single.hidden = false;
  page.name.textContent = photo.name;
  page.suggestions.replaceChildren();
  showState();
  try {
    const picture = await load(index);
    if (shown !== index) return;
    fill(photos[index], picture);
    showState();
  } catch (error) {
    if (shown !== index) return;
    unseen = index;
    showState();
    page.state.textContent = `It cannot be shown. ${message(error)}`;
  }
  for (const next of neighbours(index)) load(next).catch(() => {});
}

/** @param {Photo} photo @param {HTMLCanvasElement} picture */
function fill(photo, picture) {
  const crop = photo.crop ?? photo.crops[0] ?? photo.own ?? WHOLE;
  editor.load(picture, photo.width || picture.width, photo.height || picture.height, plain(crop));
  editor.compare(photo.own);
  edited = photo.index;
  editor.element.classList.remove("is-empty");
  fillSuggestions(photo, picture);
  editor.stage.element.focus({ preventScroll: true });
  page.single.dataset.index = String(photo.index);
}

/** @param {Photo} photo @param {HTMLCanvasElement} picture */
function fillSuggestions(photo, picture) {
  page.suggestions.replaceChildren(
    ...photo.crops.map((one, place) => {
      const thumbnail = cutOut(picture, one, THUMBNAIL_SIDE);
      thumbnail.setAttribute("aria-hidden", "true");
      const label = place === 0 ? "Suggested" : `Alternative ${place}`;
      const text = make("span", {}, make("strong", { textContent: label }), make("span", { textContent: `confidence ${number(one.confidence, 2)}` }));
      const card = make("button", { type: "button", className: "card", title: `${label} (${place + 1})` }, thumbnail, text);
      card.addEventListener("click", () => editor.reset(plain(one)));
      return card;
    }),
  );
  markSuggestions();
}

/** A crop without what else is known of it. @param {Crop} crop @returns {Crop} */
const plain = ({ top, left, bottom, right, angle }) => ({ top, left, bottom, right, angle });

function markSuggestions() {
  if (shown === null || edited !== shown) return;
  const { crops } = photos[shown];
  [...page.suggestions.children].forEach((card, place) => {
    card.setAttribute("aria-pressed", String(isSame(plain(crops[place]), editor.crop)));
  });
}

/** Whether somebody can decide so on the photo that is shown: what cannot be seen is not accepted. @param {Photo["decision"]} decision */
function isOpen(decision) {
  if (shown === null || photos[shown].state !== "suggested") return false;
  if (decision === "") return photos[shown].decision !== "";
  return edited === shown || (decision === "rejected" && unseen === shown);
}

function showState() {
  if (shown === null) return;
  const photo = photos[shown];
  page.state.textContent = describe(photo);
  page.accept.disabled = !isOpen("accepted");
  page.reject.disabled = !isOpen("rejected");
  page.undecide.disabled = !isOpen("");
}

function showGrid() {
  const last = shown;
  shown = null;
  page.single.hidden = true;
  page.grid.hidden = false;
  refresh();
  const button = last === null ? null : cells.get(last)?.firstElementChild;
  if (button instanceof HTMLElement) button.focus();
}

/** The picture of a photo, which is loaded once and kept while it may be wanted. @param {number} index */
function load(index) {
  const known = pictures.get(index);
  if (known) return known;
  const loading = loadPicture(index);
  pictures.set(index, loading);
  loading.catch(() => pictures.delete(index));
  const wanted = new Set([index, ...(shown === null ? [] : [shown, ...neighbours(shown)])]);
  for (const other of pictures.keys()) {
    if (!wanted.has(other) && pictures.size > 2 * AHEAD + 2) pictures.delete(other);
  }
  return loading;
}

/** @param {number} index */
async function loadPicture(index) {
  const answer = await ask(`photos/${index}/picture`);
  const bitmap = await createImageBitmap(await answer.blob());
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}

/** The photos before and after one, in the order of the grid. @param {number} index */
function neighbours(index) {
  const place = listed.indexOf(index);
  return [...listed.slice(place + 1, place + 1 + AHEAD), ...listed.slice(Math.max(0, place - 1), Math.max(0, place))];
}

/** The photo some places on from one; null at the end. @param {number} index @param {number} by */
function beside(index, by) {
  const place = listed.indexOf(index);
  if (place >= 0) return listed[place + by] ?? null;
  // the filter no longer lets it through
  const after = listed.filter((one) => (by > 0 ? one > index : one < index));
  return (by > 0 ? after[0] : after[after.length - 1]) ?? null;
}

/** @param {number} by */
function go(by) {
  if (shown === null) return;
  const next = beside(shown, by);
  if (next === null) showGrid();
  else show(next);
}

/** @param {Photo["decision"]} decision */
async function decide(decision) {
  if (shown === null || !isOpen(decision)) return;
  const index = shown;
  const isSuggestion = isSame(plain(photos[index].crops[0]), editor.crop);
  if (decision === "accepted" && isSame(editor.crop, WHOLE)) {
    complain("The crop is the whole photo. Reject it to leave the photo as it is.");
    return;
  }
  const crop = decision === "accepted" && !isSuggestion ? editor.crop : null;
  const next = decision === "" ? index : beside(index, 1);
  try {
    const answer = await post(`photos/${index}/decision`, { decision, crop });
    photos[index] = answer;
    complain("");
    fillCell(answer);
    refresh();
    showCounts();
    if (shown !== index) return;
    if (next === null) showGrid();
    else if (next === index) showState();
    else show(next);
  } catch (error) {
    complain(message(error));
  }
}

async function write() {
  try {
    const writing = await post("write", null);
    if (latest) latest = { ...latest, writing };
    showCounts();
  } catch (error) {
    complain(message(error));
  }
}

/** @param {string} path @param {unknown} body */
async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await ask(path, { method: "POST", headers, body: JSON.stringify(body) });
  answered += 1;
  return answer.json();
}

/** @param {unknown} error */
const message = (error) => (error instanceof Error ? error.message : String(error));

/** @param {string} text @param {"" | "server"} [kind] what ends by itself once the server answers */
function complain(text, kind = "") {
  page.problem.textContent = text;
  page.problem.dataset.kind = kind;
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (shown === null || isTyping(event)) return;
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  const isOnButton = event.target instanceof HTMLButtonElement;
  /** @type {Record<string, () => void>} */
  const actions = {
    r: () => decide("rejected"),
    u: () => decide(""),
    n: () => go(1),
    b: () => go(-1),
    g: showGrid,
    escape: showGrid,
    ...(isOnButton ? {} : { enter: () => decide("accepted") }),
  };
  const action = isPlain ? actions[event.key.toLowerCase()] : undefined;
  const crop = isPlain ? photos[shown].crops[Number(event.key) - 1] : undefined;
  if (action) {
    event.preventDefault();
    action();
  } else if (crop) {
    editor.reset(plain(crop));
  } else {
    editor.key(event);
  }
}

function start() {
  find("editor", HTMLElement).replaceChildren(editor.element);
  editor.addEventListener("crop", markSuggestions);
  document.addEventListener("keydown", onKey);
  for (const control of [page.filter, page.least, page.order]) {
    control.addEventListener("change", () => {
      if (shown === null) refresh();
      else showGrid();
    });
  }
  page.gridButton.addEventListener("click", showGrid);
  page.write.addEventListener("click", write);
  page.accept.addEventListener("click", () => decide("accepted"));
  page.reject.addEventListener("click", () => decide("rejected"));
  page.undecide.addEventListener("click", () => decide(""));
  page.previous.addEventListener("click", () => go(-1));
  page.next.addEventListener("click", () => go(1));
  poll();
}

start();
