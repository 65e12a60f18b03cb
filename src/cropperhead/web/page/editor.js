/**
 * The cropping editor: the stage with its controls. Both pages use it.
 *
 * It is an EventTarget: "crop" says that the crop has changed, at every step of a drag, and
 * "cropped" that a person has finished a change, which can be undone.
 */

import { Controls, LIMITS, typedNumber } from "./controls.js";
import { WHOLE, isSame } from "./crops.js";
import { isTyping, make, number } from "./dom.js";
import {
  dragHandle, moveCrop, ratioOf, scaleCrop, setLimits, shapeCrop, turnCrop,
} from "./moves.js";
import { GUIDES, Stage, cursorOver } from "./stage.js";

/**
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {import("./moves.js").Handle} Handle
 * @typedef {import("./stage.js").Place} Place
 * @typedef {{crop: Crop, shape: string, ratio: number | null}} State
 * @typedef {{kind: "move" | "handle" | "turn" | "line" | "pinch", handle?: Handle, from: Place,
 *   start: State, view: import("./stage.js").View, spread?: number}} Drag
 */

const STEP = 0.002; // of the photo's height, by an arrow key; with Shift ten times as far
const GROWTH = 1.02; // by plus and minus
const TOGETHER_MS = 800; // keys of one kind within this time are undone together
const LEAST_LINE = 8; // px: a shorter one is a click

export class Editor extends EventTarget {
  constructor() {
    super();
    this.stage = new Stage();
    this.controls = new Controls();
    const { toolbar, element } = this.controls;
    this.element = make("div", { className: "editor" }, toolbar, this.stage.element, element);
    this.photo = { width: 1, height: 1 };
    /** @type {State[]} */
    this.history = [{ crop: { ...WHOLE }, shape: "free", ratio: null }];
    this.present = 0;
    this.lastKind = "";
    this.lastTime = 0;
    /** @type {Drag | null} */
    this.drag = null;
    /** @type {Map<number, Place>} */
    this.pointers = new Map();
    /** @type {State | null} what the slider started from */
    this.sliding = null;
    this.isLevelling = false;
    /**
     * Gives the crop of a shape (width / height in px), where it is not to be the present crop's.
     * @type {((ratio: number | null) => Crop | null) | null}
     */
    this.suggestShape = null;
    this.#listenToControls();
    this.#listenToPointers();
  }

  get crop() {
    return this.state.crop;
  }

  get state() {
    return this.history[this.present];
  }

  /** Whether nothing has been done since the photo was loaded. */
  get isUntouched() {
    return this.history.length === 1 && this.drag === null && this.sliding === null;
  }

  get aspect() {
    return this.photo.width / this.photo.height;
  }

  /**
   * Shows a photo.
   * @param {HTMLCanvasElement} picture the photo, or a smaller copy of it
   * @param {number} width the photo's in px @param {number} height @param {Crop} crop
   */
  load(picture, width, height, crop) {
    this.photo = { width, height };
    this.stage.setPicture(picture, this.aspect);
    this.stage.compared = null;
    this.history = [{ crop: { ...crop }, shape: "free", ratio: null }];
    this.present = 0;
    this.drag = this.sliding = null; // of the photo before, as is a line that was to be drawn
    this.stage.drawHorizon();
    this.level(false);
    this.setMode("edit");
    this.#changed();
  }

  /** Sets the crop in one step that can be undone. @param {Crop} crop @param {string} [kind] steps of one kind in a row are one */
  set(crop, kind = "") {
    this.#record({ ...this.state, crop: { ...crop } }, kind);
  }

  /** Sets a crop, and no shape that it has to keep. @param {Crop} crop */
  reset(crop) {
    this.#record({ crop: { ...crop }, shape: "free", ratio: null }, "");
  }

  undo() {
    if (this.#stopDrag()) this.#changed();
    else this.#go(this.present - 1);
  }

  redo() {
    if (this.#stopDrag()) this.#changed();
    else this.#go(this.present + 1);
  }

  /** Draws another crop's outline beside this one; null for none. @param {Crop | null} crop */
  compare(crop) {
    this.stage.compared = crop;
    this.#render();
  }

  /** Shows the crop to be edited, or the photo after or before it. @param {import("./stage.js").Mode} mode */
  setMode(mode) {
    this.stage.mode = mode;
    for (const [name, button] of Object.entries(this.controls.modes)) {
      button.setAttribute("aria-pressed", String(name === mode));
    }
    this.#render();
  }

  /** Chooses a shape: one of the list, or W:H. @param {string} shape */
  setShape(shape) {
    const ratio = this.#ratio(shape);
    const { crop } = this.state;
    const suggested = this.suggestShape?.(ratio) ?? null;
    const shaped = ratio === null ? crop : shapeCrop(crop, this.aspect, ratio);
    this.#record({ crop: suggested ?? shaped, shape, ratio }, "");
  }

  /** Swaps width and height of the shape. */
  swap() {
    const { crop, shape } = this.state;
    const ratio = 1 / (this.state.ratio ?? ratioOf(crop, this.aspect));
    const keeps = this.state.ratio === null ? null : ratio;
    this.#record({ crop: shapeCrop(crop, this.aspect, ratio), shape, ratio: keeps }, "");
  }

  /** Keeps the present shape, or lets go of it. */
  toggleLock() {
    const { crop, ratio } = this.state;
    const isLocked = ratio !== null;
    this.#record(
      { crop, shape: isLocked ? "free" : "own", ratio: isLocked ? null : ratioOf(crop, this.aspect) },
      "",
    );
  }

  /** @param {number} angle in degrees @param {string} [kind] */
  turnTo(angle, kind = "turn") {
    this.set(turnCrop(this.crop, this.aspect, angle), kind);
  }

  nextGuide() {
    const next = (GUIDES.indexOf(this.stage.guide) + 1) % GUIDES.length;
    this.stage.guide = GUIDES[next];
    this.controls.guide.value = this.stage.guide;
    this.#render();
  }

  /** Mirrors guides that are not alike on both sides. */
  mirrorGuide() {
    this.stage.isGuideMirrored = !this.stage.isGuideMirrored;
    this.#render();
  }

  /** The next drag draws a line that becomes level, or upright. @param {boolean} [wanted] */
  level(wanted = !this.isLevelling) {
    this.isLevelling = wanted;
    this.controls.level.setAttribute("aria-pressed", String(wanted));
    this.stage.element.style.cursor = wanted ? "crosshair" : "";
  }

  /** What a key does here; true if it does anything. @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || isTyping(event)) return false;
    const isCommand = event.ctrlKey || event.metaKey;
    const action = isCommand ? this.#command(event) : this.#plainKey(event);
    if (action === null) return false;
    action();
    event.preventDefault();
    return true;
  }

  /** @param {KeyboardEvent} event @returns {(() => void) | null} */
  #command(event) {
    const key = event.key.toLowerCase();
    if (key === "z") return () => (event.shiftKey ? this.redo() : this.undo());
    return key === "y" ? () => this.redo() : null;
  }

  /** @param {KeyboardEvent} event @returns {(() => void) | null} */
  #plainKey(event) {
    const far = event.shiftKey ? 10 : 1;
    const isFree = event.target === this.stage.element || event.target === document.body;
    const arrows = {
      ArrowLeft: { u: -1, v: 0 },
      ArrowRight: { u: 1, v: 0 },
      ArrowUp: { u: 0, v: -1 },
      ArrowDown: { u: 0, v: 1 },
    };
    const arrow = arrows[/** @type {keyof typeof arrows} */ (event.key)];
    if (arrow && isFree) {
      const by = { u: arrow.u * STEP * far, v: arrow.v * STEP * far };
      return () => this.set(moveCrop(this.crop, this.aspect, by), "move");
    }
    /** @type {Record<string, () => void>} */
    const actions = {
      "+": () => this.set(scaleCrop(this.crop, this.aspect, GROWTH), "scale"),
      "=": () => this.set(scaleCrop(this.crop, this.aspect, GROWTH), "scale"),
      "-": () => this.set(scaleCrop(this.crop, this.aspect, 1 / GROWTH), "scale"),
      "[": () => this.turnTo(this.crop.angle - 0.1),
      "]": () => this.turnTo(this.crop.angle + 0.1),
      "{": () => this.turnTo(this.crop.angle - 1),
      "}": () => this.turnTo(this.crop.angle + 1),
      x: () => this.swap(),
      a: () => this.toggleLock(),
      o: () => (event.shiftKey ? this.mirrorGuide() : this.nextGuide()),
      s: () => this.level(),
      w: () => this.reset(WHOLE),
      p: () => this.setMode(this.stage.mode === "after" ? "edit" : "after"),
      "\\": () => this.setMode(this.stage.mode === "before" ? "edit" : "before"),
    };
    return actions[event.key.length === 1 ? event.key.toLowerCase() : event.key] ?? null;
  }

  /** @param {string} shape @returns {number | null} */
  #ratio(shape) {
    if (shape === "free") return null;
    if (shape === "original") return this.aspect;
    if (shape === "own") return this.controls.ownRatio() || ratioOf(this.crop, this.aspect);
    const [width, height] = shape.split(":").map(Number);
    return width / height;
  }

  /** @param {State} state @param {string} kind */
  #record(state, kind) {
    const wasDragged = this.#stopDrag();
    const now = performance.now();
    const isSoon = kind === this.lastKind && now - this.lastTime < TOGETHER_MS;
    const isMore = kind !== "" && isSoon && !wasDragged;
    [this.lastKind, this.lastTime] = [kind, now];
    const isNew = !isSame(state.crop, this.crop) || state.ratio !== this.state.ratio;
    if (!isNew && state.shape === this.state.shape) {
      if (wasDragged) this.#changed();
      return;
    }
    this.history.length = this.present + 1;
    if (isMore && this.present > 0) this.history[this.present] = state;
    else this.present = this.history.push(state) - 1;
    this.#changed();
    this.dispatchEvent(new CustomEvent("cropped"));
  }

  /** Ends a drag that goes on, as if it had not begun. Returns whether there was one. */
  #stopDrag() {
    const start = this.drag?.start ?? this.sliding;
    if (start === null) return false;
    this.drag = this.sliding = null;
    this.stage.drawHorizon();
    this.history[this.present] = start;
    return true;
  }

  /** @param {number} place */
  #go(place) {
    if (place < 0 || place >= this.history.length) return;
    this.present = place;
    this.lastKind = "";
    this.#changed();
    this.dispatchEvent(new CustomEvent("cropped"));
  }

  /** Shows a state of a drag that goes on. @param {State} start @param {Crop} crop */
  #preview(start, crop) {
    this.history[this.present] = { ...start, crop };
    this.#changed();
  }

  /** Makes what was previewed one step that can be undone. @param {State} start */
  #finish(start) {
    const { crop } = this.state;
    this.history[this.present] = start;
    this.#record({ ...start, crop }, "");
    if (isSame(start.crop, crop)) this.#changed();
  }

  #changed() {
    this.element.dataset.crop = JSON.stringify(this.crop); // in full, for programs
    this.#render();
    this.#fill();
    this.dispatchEvent(new CustomEvent("crop"));
  }

  #render() {
    this.stage.render(this.crop);
  }

  #fill() {
    const { crop, shape, ratio } = this.state;
    const { controls } = this;
    controls.showCrop(crop, this.sliding !== null);
    controls.showShape(shape, ratio);
    controls.undo.disabled = this.present === 0;
    controls.redo.disabled = this.present === this.history.length - 1;
    controls.summary.textContent = this.summary();
  }

  /** The crop in words. */
  summary() {
    const { width, height } = this.photo;
    const { crop } = this;
    const across = Math.round((crop.right - crop.left) * width);
    const down = Math.round((crop.bottom - crop.top) * height);
    const share = Math.round(100 * (crop.right - crop.left) * (crop.bottom - crop.top));
    const left = Math.round(crop.left * width);
    const top = Math.round(crop.top * height);
    const turn = crop.angle === 0 ? "" : `, turned by ${number(crop.angle, 1)}°`;
    return (
      `${number(across)} × ${number(down)} px at ${number(left)}, ${number(top)}${turn}: ` +
      `${share} % of ${number(width)} × ${number(height)} px`
    );
  }

  #listenToControls() {
    const { controls } = this;
    controls.undo.addEventListener("click", () => this.undo());
    controls.redo.addEventListener("click", () => this.redo());
    controls.level.addEventListener("click", () => this.level());
    controls.whole.addEventListener("click", () => this.reset(WHOLE));
    controls.swap.addEventListener("click", () => this.swap());
    controls.shape.addEventListener("change", () => this.setShape(controls.shape.value));
    for (const input of [controls.ratioWidth, controls.ratioHeight]) {
      input.addEventListener("change", () => this.setShape("own"));
    }
    for (const mode of /** @type {const} */ (["edit", "after", "before"])) {
      controls.modes[mode].addEventListener("click", () => this.setMode(mode));
    }
    controls.guide.addEventListener("change", () => {
      this.stage.guide = /** @type {(typeof GUIDES)[number]} */ (controls.guide.value);
      this.#render();
    });
    for (const name of LIMITS) {
      controls.limits[name].addEventListener("change", () => this.#typed(name));
    }
    controls.angle.addEventListener("change", () => this.#typed("angle"));
    controls.slider.addEventListener("input", () => this.#slide());
    controls.slider.addEventListener("change", () => {
      const start = this.sliding;
      this.sliding = null;
      if (start !== null) this.#finish(start);
    });
  }

  #slide() {
    this.sliding ??= this.state;
    const angle = Number(this.controls.slider.value);
    this.#preview(this.sliding, turnCrop(this.sliding.crop, this.aspect, angle));
  }

  #listenToPointers() {
    const { overlay, element } = this.stage;
    overlay.addEventListener("pointerdown", (event) => this.#down(event));
    overlay.addEventListener("pointermove", (event) => this.#move(event));
    overlay.addEventListener("pointerup", (event) => this.#up(event));
    overlay.addEventListener("pointercancel", (event) => this.#up(event));
    overlay.addEventListener("contextmenu", (event) => event.preventDefault());
    new ResizeObserver(() => this.#render()).observe(element);
  }

  /** @param {(typeof LIMITS)[number] | "angle"} name */
  #typed(name) {
    const { controls } = this;
    const value = typedNumber(name === "angle" ? controls.angle : controls.limits[name]);
    if (value !== null) {
      const { shape, ratio } = this.state;
      const crop = setLimits(this.crop, this.aspect, { [name]: value });
      // limits that are typed are meant: the shape no longer is
      const keeps = name === "angle" || ratio === null;
      this.#record({ crop, shape: keeps ? shape : "free", ratio: keeps ? ratio : null }, "");
    }
    this.#fill();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.stage.mode !== "edit") return;
    const from = this.stage.place(event);
    this.pointers.set(event.pointerId, from);
    this.stage.overlay.setPointerCapture(event.pointerId);
    this.stage.element.focus({ preventScroll: true });
    event.preventDefault();
    const view = this.stage.view(this.crop);
    if (this.pointers.size === 2) {
      if (this.drag !== null) this.#finish(this.drag.start);
      const [one, other] = [...this.pointers.values()];
      const between = middle(one, other);
      this.drag = { kind: "pinch", from: between, spread: distance(one, other), start: this.state, view };
      return;
    }
    if (this.pointers.size > 2) return;
    const isLine = this.isLevelling || event.ctrlKey || event.metaKey || event.button === 2;
    const hit = this.stage.hit(from, this.crop, event.pointerType);
    const start = this.state;
    if (isLine) this.drag = { kind: "line", from, start, view };
    else if (hit === "inside") this.drag = { kind: "move", from, start, view };
    else if (hit === "outside") this.drag = { kind: "turn", from, start, view };
    else this.drag = { kind: "handle", handle: hit, from, start, view };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const to = this.stage.place(event);
    if (this.drag === null) {
      if (!this.isLevelling && this.stage.mode === "edit") {
        this.stage.element.style.cursor = cursorOver(this.stage.hit(to, this.crop, event.pointerType));
      }
      return;
    }
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, to);
    this.#dragTo(this.drag, to, event);
  }

  /** @param {Drag} drag @param {Place} to @param {PointerEvent} event */
  #dragTo(drag, to, event) {
    const { start, from, view } = drag;
    const by = { u: (to.x - from.x) / view.scale, v: (to.y - from.y) / view.scale };
    if (drag.kind === "line") {
      this.stage.drawHorizon(from, to);
    } else if (drag.kind === "move") {
      this.#preview(start, moveCrop(start.crop, this.aspect, by));
    } else if (drag.kind === "handle" && drag.handle) {
      const ratio = start.ratio ?? (event.shiftKey ? ratioOf(start.crop, this.aspect) : null);
      const how = { ratio, centred: event.altKey };
      this.#preview(start, dragHandle(start.crop, this.aspect, drag.handle, by, how));
    } else if (drag.kind === "turn") {
      const rectangle = this.stage.rectangle(start.crop, view);
      const centre = { x: (rectangle.left + rectangle.right) / 2, y: (rectangle.top + rectangle.bottom) / 2 };
      const turned = direction(centre, to) - direction(centre, from);
      const wanted = start.crop.angle - (((turned + 540) % 360) - 180);
      this.#preview(start, turnCrop(start.crop, this.aspect, wanted));
    } else if (drag.kind === "pinch" && this.pointers.size === 2) {
      const [one, other] = [...this.pointers.values()];
      const between = middle(one, other);
      const moved = { u: (between.x - from.x) / view.scale, v: (between.y - from.y) / view.scale };
      const scaled = scaleCrop(start.crop, this.aspect, distance(one, other) / (drag.spread || 1));
      this.#preview(start, moveCrop(scaled, this.aspect, moved));
    }
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const wasOurs = this.pointers.delete(event.pointerId);
    const { drag } = this;
    if (drag === null || !wasOurs || (drag.kind === "pinch" && this.pointers.size > 0)) return;
    this.drag = null;
    this.stage.drawHorizon();
    if (event.type === "pointercancel") {
      this.#preview(drag.start, drag.start.crop);
    } else if (drag.kind === "line") {
      this.level(false);
      this.#levelAlong(drag, this.stage.place(event));
    } else {
      this.#finish(drag.start);
    }
  }

  /** @param {Drag} drag @param {Place} to */
  #levelAlong({ from, start }, to) {
    if (distance(from, to) < LEAST_LINE) return;
    const slope = direction(from, to);
    const fromAxis = slope - 90 * Math.round(slope / 90);
    this.turnTo(start.crop.angle + fromAxis, "");
  }
}

/** @param {Place} one @param {Place} other */
const distance = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);
/** @param {Place} one @param {Place} other */
const middle = (one, other) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
/** In degrees. @param {Place} from @param {Place} to */
const direction = (from, to) => (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI;
