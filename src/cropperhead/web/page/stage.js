/**
 * The picture with the crop over it: draws them, and tells what of the crop is at a place.
 *
 * The picture is turned on the screen, and the crop is upright, as in Lightroom and darktable. So
 * the screen's axes are those of `moves.js`, in px in place of photo heights.
 */

import { corners, radians } from "./crops.js";
import { make, makeSvg } from "./dom.js";
import { inTurnedAxes, turned } from "./moves.js";

/**
 * @typedef {import("./crops.js").Crop} Crop
 * @typedef {import("./moves.js").Handle} Handle
 * @typedef {{x: number, y: number}} Place in px of the stage
 * @typedef {{left: number, top: number, right: number, bottom: number}} Rectangle in px of the stage
 * @typedef {"edit" | "after" | "before"} Mode
 * @typedef {{scale: number, u: number, v: number, x: number, y: number}} View
 *   px for a photo's height, and which place of the turned axes is where on the stage
 */

export const GUIDES = /** @type {const} */ ([
  "thirds", "golden", "diagonals", "triangles", "grid", "none",
]);
const MARGIN = 28; // px around the picture, in which its edges can be taken hold of
const HANDLE = 12; // px, as drawn
const REACH = { mouse: 12, pen: 16, touch: 24 }; // px from a corner or an edge that still is it
/** @type {Handle[]} */
const HANDLES = [
  { x: -1, y: -1 }, { x: 0, y: -1 }, { x: 1, y: -1 }, { x: 1, y: 0 },
  { x: 1, y: 1 }, { x: 0, y: 1 }, { x: -1, y: 1 }, { x: -1, y: 0 },
];

export class Stage {
  constructor() {
    this.canvas = make("canvas", { className: "picture", width: 1, height: 1 });
    this.window = make("div", { className: "window" }, this.canvas);
    this.overlay = makeSvg("svg", { class: "overlay", "aria-hidden": "true" });
    this.shade = makeSvg("path", { class: "shade", "fill-rule": "evenodd" });
    this.ghost = makeSvg("path", { class: "ghost" });
    this.guides = makeSvg("path", { class: "guides" });
    this.outline = makeSvg("path", { class: "outline" });
    this.handles = makeSvg("path", { class: "handles" });
    this.horizon = makeSvg("path", { class: "horizon" });
    this.overlay.append(
      this.shade, this.ghost, this.guides, this.outline, this.handles, this.horizon,
    );
    this.element = make(
      "div",
      {
        className: "stage",
        tabIndex: 0,
        role: "group",
        "aria-label": "Crop. Arrow keys move it, plus and minus change its size.",
      },
      this.window,
    );
    this.element.append(this.overlay);
    this.aspect = 1;
    /** @type {Mode} */
    this.mode = "edit";
    /** @type {(typeof GUIDES)[number]} */
    this.guide = "thirds";
    this.isGuideMirrored = false;
    /** @type {Crop | null} */
    this.compared = null;
  }

  /** Shows another picture, which is not copied. @param {HTMLCanvasElement} picture @param {number} aspect */
  setPicture(picture, aspect) {
    this.aspect = aspect;
    picture.className = "picture";
    this.canvas.replaceWith(picture);
    this.canvas = picture;
  }

  get width() {
    return this.element.clientWidth;
  }

  get height() {
    return this.element.clientHeight;
  }

  /** How the turned photo is shown. @param {Crop} crop @returns {View} */
  view(crop) {
    const angle = this.mode === "before" ? 0 : crop.angle;
    let middle = inTurnedAxes(this.aspect / 2, 0.5, angle);
    const sine = Math.abs(Math.sin(radians(angle)));
    const cosine = Math.abs(Math.cos(radians(angle)));
    let sides = { u: this.aspect * cosine + sine, v: this.aspect * sine + cosine };
    if (this.mode === "after") {
      const { left, top, right, bottom } = turned(crop, this.aspect);
      middle = { u: (left + right) / 2, v: (top + bottom) / 2 };
      sides = { u: right - left, v: bottom - top };
    }
    const room = { x: this.width - 2 * MARGIN, y: this.height - 2 * MARGIN };
    const scale = Math.max(1e-6, Math.min(room.x / sides.u, room.y / sides.v));
    return { scale, ...middle, x: this.width / 2, y: this.height / 2 };
  }

  /** The crop on the stage. @param {Crop} crop @param {View} view @returns {Rectangle} */
  rectangle(crop, view) {
    const { left, top, right, bottom } = turned(crop, this.aspect);
    const across = (/** @type {number} */ u) => view.x + (u - view.u) * view.scale;
    const down = (/** @type {number} */ v) => view.y + (v - view.v) * view.scale;
    return { left: across(left), top: down(top), right: across(right), bottom: down(bottom) };
  }

  /** @param {Crop} crop */
  render(crop) {
    if (this.width === 0) return;
    const view = this.view(crop);
    const angle = this.mode === "before" ? 0 : crop.angle;
    const middle = inTurnedAxes(this.aspect / 2, 0.5, angle);
    const x = view.x + (middle.u - view.u) * view.scale;
    const y = view.y + (middle.v - view.v) * view.scale;
    const { width, height } = this.canvas;
    this.canvas.style.transform =
      `translate(${x}px, ${y}px) rotate(${-angle}deg) ` +
      `scale(${(view.scale * this.aspect) / width}, ${view.scale / height}) ` +
      `translate(${-width / 2}px, ${-height / 2}px)`;
    const rectangle = this.rectangle(crop, view);
    const { left, top, right, bottom } = rectangle;
    this.window.style.clipPath =
      this.mode === "after"
        ? `polygon(${left}px ${top}px, ${right}px ${top}px, ${right}px ${bottom}px, ${left}px ${bottom}px)`
        : "none";
    this.element.dataset.mode = this.mode;
    if (this.mode === "edit") this.#drawCrop(rectangle, view, crop);
  }

  /** @param {Rectangle} rectangle @param {View} view @param {Crop} crop */
  #drawCrop(rectangle, view, crop) {
    const { left, top, right, bottom } = rectangle;
    const outline = `M${left} ${top}H${right}V${bottom}H${left}Z`;
    this.shade.setAttribute("d", `M0 0H${this.width}V${this.height}H0Z${outline}`);
    this.outline.setAttribute("d", outline);
    this.guides.setAttribute("d", guidePath(this.guide, rectangle, this.isGuideMirrored));
    this.handles.setAttribute("d", HANDLES.map((handle) => handlePath(handle, rectangle)).join(""));
    this.ghost.setAttribute("d", this.compared === null ? "" : this.#polygon(this.compared, view, crop));
  }

  /** @param {Crop} other @param {View} view @param {Crop} crop */
  #polygon(other, view, crop) {
    const points = corners(other, this.aspect).map(([x, y]) => {
      const { u, v } = inTurnedAxes(x, y, crop.angle);
      return `${view.x + (u - view.u) * view.scale} ${view.y + (v - view.v) * view.scale}`;
    });
    return `M${points.join("L")}Z`;
  }

  /** Draws the line along which a photo is levelled; without places, none. @param {Place} [from] @param {Place} [to] */
  drawHorizon(from, to) {
    this.horizon.setAttribute("d", from && to ? `M${from.x} ${from.y}L${to.x} ${to.y}` : "");
  }

  /**
   * What of the crop is at a place: a handle, its inside, or nothing.
   * @param {Place} place @param {Crop} crop @param {string} pointer the kind of pointer
   * @returns {Handle | "inside" | "outside"}
   */
  hit({ x, y }, crop, pointer) {
    const { left, top, right, bottom } = this.rectangle(crop, this.view(crop));
    const reach = REACH[/** @type {keyof typeof REACH} */ (pointer)] ?? REACH.mouse;
    // of a small crop, a third of each side is left for moving it
    const across = side(x, left, right, Math.min(reach, Math.max(6, (right - left) / 3)), reach);
    const down = side(y, top, bottom, Math.min(reach, Math.max(6, (bottom - top) / 3)), reach);
    if (across === null || down === null) return "outside";
    return across === 0 && down === 0 ? "inside" : { x: across, y: down };
  }

  /** Where a pointer is on the stage. @param {PointerEvent} event @returns {Place} */
  place(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }
}

/** Which end of a range a place is at; null outside. @param {number} at @param {number} low @param {number} high @param {number} inner @param {number} outer @returns {-1 | 0 | 1 | null} */
function side(at, low, high, inner, outer) {
  if (at < low - outer || at > high + outer) return null;
  if (at < low + inner && at - low <= high - at) return -1;
  return at > high - inner ? 1 : 0;
}

/** @param {Handle} handle @param {Rectangle} rectangle */
function handlePath({ x, y }, { left, top, right, bottom }) {
  const at = [((left + right) + x * (right - left)) / 2, ((top + bottom) + y * (bottom - top)) / 2];
  return `M${at[0] - HANDLE / 2} ${at[1] - HANDLE / 2}h${HANDLE}v${HANDLE}h${-HANDLE}Z`;
}

/** @param {(typeof GUIDES)[number]} guide @param {Rectangle} rectangle @param {boolean} isMirrored */
function guidePath(guide, rectangle, isMirrored) {
  const { left, top, right, bottom } = rectangle;
  if (guide === "diagonals") return `M${left} ${top}L${right} ${bottom}M${right} ${top}L${left} ${bottom}`;
  if (guide === "triangles") return trianglePath(rectangle, isMirrored);
  const golden = (3 - Math.sqrt(5)) / 2;
  const shares = {
    thirds: [1 / 3, 2 / 3],
    golden: [golden, 1 - golden],
    grid: [1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8],
    none: [],
  }[guide];
  return shares
    .map((share) => {
      const x = left + share * (right - left);
      const y = top + share * (bottom - top);
      return `M${x} ${top}V${bottom}M${left} ${y}H${right}`;
    })
    .join("");
}

/** A diagonal, and lines at right angles to it from the other two corners. @param {Rectangle} rectangle @param {boolean} isMirrored */
function trianglePath({ left, top, right, bottom }, isMirrored) {
  const [from, to] = isMirrored ? [right, left] : [left, right];
  const width = to - from;
  const height = bottom - top;
  // how far along the diagonal the line from the corner above its lower end meets it
  const share = (height * height) / (width * width + height * height);
  /** @param {number} along */
  const at = (along) => `${from + along * width} ${bottom - along * height}`;
  return (
    `M${from} ${bottom}L${to} ${top}` +
    `M${from} ${top}L${at(share)}M${to} ${bottom}L${at(1 - share)}`
  );
}

/** The cursor over what `Stage.hit` finds. @param {Handle | "inside" | "outside"} hit */
export function cursorOver(hit) {
  if (hit === "inside") return "move";
  if (hit === "outside") return "grab";
  if (hit.x === 0) return "ns-resize";
  if (hit.y === 0) return "ew-resize";
  return hit.x === hit.y ? "nwse-resize" : "nesw-resize";
}
