/** The editor's controls: how they look, and what they show of a crop. */

import { clamp } from "./crops.js";
import { make, number } from "./dom.js";
import { MOST_ANGLE } from "./moves.js";
import { GUIDES } from "./stage.js";

/** @typedef {import("./crops.js").Crop} Crop */

export const SHAPES = ["free", "original", "1:1", "4:5", "3:2", "16:9", "own"];
export const LIMITS = /** @type {const} */ (["left", "top", "right", "bottom"]);
const FINE_ANGLE = 15; // degrees, of the slider
const DECIMALS = { limit: 4, angle: 2, ratio: 4 }; // of what nobody typed
const SAME = 1e-9;

export class Controls {
  constructor() {
    this.modes = {
      edit: button("Crop", "Edit the crop"),
      after: button("After", "Show the cropped photo (P)"),
      before: button("Before", "Show the photo as it was (\\)"),
    };
    this.undo = button("Undo", "Undo (Ctrl+Z)");
    this.redo = button("Redo", "Redo (Ctrl+Shift+Z)");
    this.level = button("Draw a level line", "Then draw along the horizon or an upright (S)");
    this.level.setAttribute("aria-pressed", "false");
    this.whole = button("Whole photo", "Reset to the whole photo (W)");
    this.swap = button("Swap", "Swap width and height (X)");
    this.shape = choice("shape", SHAPES);
    this.guide = choice("guide", [...GUIDES]);
    this.ratioWidth = numberInput("ratio-width", "4", "any");
    this.ratioHeight = numberInput("ratio-height", "5", "any");
    this.own = make(
      "span",
      { className: "own", hidden: true },
      labelled("Width", this.ratioWidth),
      labelled("Height", this.ratioHeight),
    );
    const range = { min: String(-FINE_ANGLE), max: String(FINE_ANGLE), step: "0.05" };
    this.slider = make("input", { type: "range", id: "slider", ...range, value: "0" });
    this.angle = numberInput("angle", "0", "0.1");
    this.angle.min = String(-MOST_ANGLE);
    this.angle.max = String(MOST_ANGLE);
    this.limits = {
      left: limitInput("left", "0"),
      top: limitInput("top", "0"),
      right: limitInput("right", "1"),
      bottom: limitInput("bottom", "1"),
    };
    this.summary = make("output", { className: "summary", "aria-live": "polite" });
    this.toolbar = make(
      "div",
      { className: "toolbar", role: "group", "aria-label": "View and history" },
      ...Object.values(this.modes),
      make("span", { className: "gap" }),
      this.undo,
      this.redo,
    );
    this.element = this.#layOut();
  }

  #layOut() {
    const limits = LIMITS.map((name) =>
      labelled(name[0].toUpperCase() + name.slice(1), this.limits[name]),
    );
    const legend = make("legend", { textContent: "Limits, in fractions of the sides" });
    return make(
      "div",
      { className: "controls" },
      this.summary,
      row(labelled("Shape", this.shape), this.own, this.swap, this.whole),
      row(
        labelled("Turn", this.slider, "wide"),
        labelled("Angle °", this.angle),
        this.level,
      ),
      make("fieldset", { className: "row" }, legend, ...limits),
      row(labelled("Guides", this.guide)),
    );
  }

  /** @param {Crop} crop @param {boolean} isSliding whether the slider is where somebody holds it */
  showCrop(crop, isSliding) {
    for (const name of LIMITS) show(this.limits[name], crop[name], DECIMALS.limit);
    show(this.angle, crop.angle, DECIMALS.angle);
    if (!isSliding) this.slider.value = String(clamp(crop.angle, -FINE_ANGLE, FINE_ANGLE));
    this.slider.setAttribute("aria-valuetext", `${number(crop.angle, 1)} degrees`);
  }

  /** @param {string} shape @param {number | null} ratio */
  showShape(shape, ratio) {
    this.shape.value = shape;
    this.own.hidden = shape !== "own";
    if (shape !== "own" || ratio === null || Math.abs(this.ownRatio() - ratio) < SAME) return;
    show(this.ratioWidth, ratio, DECIMALS.ratio);
    show(this.ratioHeight, 1, DECIMALS.ratio);
  }

  /** The width / height that is typed; NaN for none. */
  ownRatio() {
    const ratio = Number(this.ratioWidth.value) / Number(this.ratioHeight.value);
    return ratio > 0.01 && ratio < 100 ? ratio : NaN;
  }
}

/** The number that is typed; null for none. @param {HTMLInputElement} input */
export function typedNumber({ value }) {
  const typed = Number(value);
  return value.trim() === "" || !Number.isFinite(typed) ? null : typed;
}

/**
 * Shows a number, unless what the input shows is that number already, with more decimals.
 * @param {HTMLInputElement} input @param {number} value @param {number} decimals
 */
function show(input, value, decimals) {
  const typed = typedNumber(input);
  if (typed !== null && Math.abs(typed - value) < SAME) return;
  input.value = String(Number(value.toFixed(decimals)));
}

/** @param {string} text @param {string} title */
function button(text, title) {
  return make("button", { type: "button", title, textContent: text });
}

/** @param {string} id @param {string[]} names */
function choice(id, names) {
  const options = names.map((name) =>
    make("option", { value: name, textContent: name === "own" ? "own ratio" : name }),
  );
  return make("select", { id }, ...options);
}

/** @param {string} id @param {string} value @param {string} step */
function numberInput(id, value, step) {
  return make("input", { type: "number", inputMode: "decimal", id, value, step });
}

/** @param {string} id @param {string} value */
function limitInput(id, value) {
  const input = numberInput(id, value, "0.001");
  [input.min, input.max] = ["0", "1"];
  return input;
}

/** @param {string} text @param {HTMLElement} control @param {string} [className] */
function labelled(text, control, className = "") {
  return make("label", { className }, make("span", { textContent: text }), control);
}

/** @param {...HTMLElement} children */
function row(...children) {
  return make("div", { className: "row" }, ...children);
}
