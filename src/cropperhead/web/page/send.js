/**
 * Sends a person's crop to the collection, if this server has one, and withdraws it again.
 *
 * Nothing is sent before the person has seen what is sent and has agreed. The keys of what was sent
 * stay in this browser: they are the only way to withdraw it.
 */

import { WHOLE, corners } from "./crops.js";
import { make, makeSvg } from "./dom.js";
import { cutOut } from "./save.js";
import { ask } from "./server.js";

/**
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {{consent: {sha256: string, text: string}, blind_share: number}} Terms
 * @typedef {{picture: HTMLCanvasElement, crop: Crop, suggested: Crop, confidence: number | null,
 *   model: string, shown: "suggestion" | "whole", started: Crop,
 *   startedFrom: "suggestion" | "whole" | "own"}} Work
 * @typedef {{id: string, receipt: string, day: string}} Sent
 */

const LONG_SIDE = 1024; // px, of the copy that is sent
const QUALITY = 0.9;
const TRIES = 4;
const PAUSE_MS = 1500; // after the first failure, and longer each time
const ANOTHER_TRY = new Set([429, 503]);
const SENDER = "cropperhead.sender";
const SENT = "cropperhead.sent";

export class Sender {
  /**
   * @param {Terms} terms
   * @param {HTMLElement} place where the button goes, beside a photo
   * @param {HTMLElement} past where what was sent is withdrawn, which needs no photo
   */
  constructor(terms, place, past) {
    this.terms = terms;
    this.identity = identityOf(terms.blind_share);
    /** @type {() => Work | null} */
    this.work = () => null;
    this.button = make("button", { type: "button", textContent: "Send my crop…" });
    this.title = make("h2", { id: "sent-title", textContent: "Crops that you sent" });
    this.list = make("ul", { className: "sent" });
    this.note = make("p", { className: "note", role: "status" });
    this.pastNote = make("p", { className: "note", role: "status" });
    this.button.addEventListener("click", () => this.#ask());
    place.replaceChildren(
      make("h2", { textContent: "Show how you would crop it" }),
      make("div", { className: "row" }, this.button),
      this.note,
    );
    past.replaceChildren(
      this.title,
      this.list,
      this.#receiptField(),
      this.pastNote,
    );
    place.hidden = past.hidden = false;
    this.#showSent();
  }

  /** Whether this person is shown the whole photo before any suggestion. */
  get isBlind() {
    return this.identity.isBlind;
  }

  /** Shows what would be sent and asks for consent. */
  async #ask() {
    const work = this.work();
    if (work === null) return;
    const copy = cutOut(work.picture, WHOLE, LONG_SIDE);
    const content = await asJpeg(copy);
    const agree = make("input", { type: "checkbox", id: "agree" });
    const send = make("button", { type: "button", className: "primary", textContent: "Send", disabled: true });
    const cancel = make("button", { type: "button", textContent: "Cancel" });
    const problem = make("p", { className: "problem", role: "alert" });
    const dialog = make(
      "dialog",
      { className: "send", "aria-labelledby": "send-title" },
      make("h2", { id: "send-title", textContent: "Send my crop" }),
      preview(copy, work.crop),
      make("p", {
        textContent:
          `This copy of ${copy.width} × ${copy.height} px (${Math.round(content.size / 1000)} kB), ` +
          "without metadata, the outline, and what was suggested will be sent.",
      }),
      make("p", { className: "consent", textContent: this.terms.consent.text }),
      make("label", { htmlFor: "agree", className: "agree" }, agree, " I agree"),
      problem,
      make("div", { className: "row" }, send, cancel),
    );
    agree.addEventListener("change", () => (send.disabled = !agree.checked));
    cancel.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    const keys = { id: randomKey(), receipt: randomKey() }; // the same for every try
    send.addEventListener("click", async () => {
      send.disabled = cancel.disabled = true;
      problem.textContent = "";
      const failure = await this.#send(work, content, keys);
      send.disabled = cancel.disabled = false;
      if (failure !== null) problem.textContent = failure;
      else dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  /** @param {Work} work @param {Blob} content @param {{id: string, receipt: string}} keys @returns {Promise<string | null>} why it was not sent */
  async #send(work, content, keys) {
    const form = new FormData();
    form.append("photo", content, "photo.jpg");
    form.append("crop", JSON.stringify(this.#fields(work, keys)));
    const failure = await post("/collect/crops", form);
    if (failure !== null) return failure;
    const day = new Date().toISOString().slice(0, 10);
    store(SENT, [...sentBefore(), { ...keys, day }]);
    this.note.textContent = "Thank you. Your crop was sent.";
    this.pastNote.textContent = "";
    this.#showSent();
    return null;
  }

  /** @param {Work} work @param {{id: string, receipt: string}} keys */
  #fields(work, keys) {
    return {
      ...keys,
      sender: this.identity.key,
      consent: this.terms.consent.sha256,
      crop: plain(work.crop),
      shown: work.shown,
      started_from: work.startedFrom,
      started: plain(work.started),
      suggested: plain(work.suggested),
      confidence: work.confidence,
      model: work.model,
    };
  }

  #showSent() {
    const rows = sentBefore().map((one) => {
      const button = make("button", { type: "button", textContent: "Withdraw" });
      button.addEventListener("click", () => this.#withdraw(one));
      const receipt = make("code", { textContent: `${one.id}-${one.receipt}` });
      const details = make("details", {}, make("summary", { textContent: "Receipt" }), receipt);
      return make("li", {}, `Sent on ${one.day} `, button, details);
    });
    this.list.replaceChildren(...rows);
    this.title.hidden = this.list.hidden = rows.length === 0;
  }

  /** @param {{id: string, receipt: string}} one */
  async #withdraw(one) {
    const body = JSON.stringify({ id: one.id, receipt: one.receipt });
    const failure = await post("/collect/withdrawals", body);
    this.pastNote.textContent = failure ?? "Your crop was withdrawn, and its copy of the photo deleted.";
    if (failure !== null) return;
    this.note.textContent = "";
    store(SENT, sentBefore().filter((each) => each.id !== one.id));
    this.#showSent();
  }

  /** Where a receipt from another browser is typed. */
  #receiptField() {
    const field = make("input", { type: "text", id: "receipt", autocomplete: "off", spellcheck: false });
    const button = make("button", { type: "button", textContent: "Withdraw" });
    button.addEventListener("click", () => {
      const [id = "", receipt = ""] = field.value.trim().toLowerCase().split("-");
      this.#withdraw({ id, receipt });
    });
    const label = make("label", { htmlFor: "receipt" }, make("span", { textContent: "Receipt" }), field);
    const row = make("div", { className: "row" }, label, button);
    return make("details", {}, make("summary", { textContent: "Withdraw by a receipt" }), row);
  }
}

/** What this server's collection asks; null while it cannot be reached. @returns {Promise<Terms | null>} */
export async function readTerms() {
  try {
    return await (await ask("/collect/terms")).json();
  } catch {
    return null; // the page is used without its server
  }
}

/** @param {string} path @param {FormData | string} body @returns {Promise<string | null>} why it failed */
async function post(path, body) {
  const headers = typeof body === "string" ? { "Content-Type": "application/json" } : undefined;
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await fetch(path, { method: "POST", body, headers });
      if (answer.ok) return null;
      const { detail } = await answer.json();
      if (!ANOTHER_TRY.has(answer.status) || tries === TRIES) return `It was refused: ${detail}.`;
    } catch {
      if (tries === TRIES) return "The server does not answer. Try again later.";
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * tries));
  }
}

/** @param {HTMLCanvasElement} picture @param {Crop} crop */
function preview(picture, crop) {
  const { width, height } = picture;
  const points = corners(crop, width / height).map(([x, y]) => `${x * height},${y * height}`).join(" ");
  const outline = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  outline.setAttribute("aria-label", "The copy with the outline of the crop");
  outline.append(makeSvg("polygon", { points }));
  return make("div", { className: "preview" }, picture, outline);
}

/** @param {HTMLCanvasElement} picture @returns {Promise<Blob>} */
async function asJpeg(picture) {
  const content = await new Promise((resolve) => picture.toBlob(resolve, "image/jpeg", QUALITY));
  if (!(content instanceof Blob)) throw new Error("The browser cannot make the copy.");
  return content;
}

/** @param {Crop} crop */
function plain({ top, left, bottom, right, angle }) {
  return { top, left, bottom, right, angle };
}

/** This browser's key, and whether it sees suggestions only later: the same at each visit. @param {number} share */
function identityOf(share) {
  const known = stored(SENDER, null);
  if (known !== null) return /** @type {{key: string, isBlind: boolean}} */ (known);
  const identity = { key: randomKey(), isBlind: Math.random() < share };
  store(SENDER, identity);
  return identity;
}

/** @returns {Sent[]} */
const sentBefore = () => stored(SENT, []);

/** @param {string} name @param {any} otherwise */
function stored(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null") ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** @param {string} name @param {unknown} value */
function store(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // a private window may keep nothing: then the receipt on the page is all there is
  }
}

/** 128 random bits in hexadecimal digits. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
