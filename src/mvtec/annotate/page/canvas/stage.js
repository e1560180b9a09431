// The three canvases over each other (photo, shapes, live tool), drawn by one loop and only where something changed.

import { app, emit, on } from "../app.js";
import { byId } from "../dom.js";
import { paintShapes } from "./paint.js";
import { View } from "./view.js";

export const view = new View();

const layers = {};
const dirty = new Set();
/** @type {ImageBitmap | null} */
let bitmap = null;
let asked = false;
/** Pixels of the screen to a CSS pixel, as the canvases were made for it. */
let ratio = 1;
/** @type {(context: CanvasRenderingContext2D) => void} */
let paintLive = () => {};
/** Annotations that the live layer draws while a tool works on them. */
const lifted = new Set();

/** Has a layer drawn again at the next frame. @param {...("photo" | "shapes" | "live")} names */
export function invalidate(...names) {
  for (const name of names) dirty.add(name);
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}

/** @param {string[]} keys left out of the shapes layer, until called again */
export function lift(keys) {
  lifted.clear();
  for (const key of keys) lifted.add(key);
  invalidate("shapes", "live");
}

/** @param {(context: CanvasRenderingContext2D) => void} paint draws in CSS pixels of the stage */
export function setLivePainter(paint) {
  paintLive = paint;
}

/** @param {ImageBitmap | null} image @param {number} width of the photo @param {number} height */
export function showPhoto(image, width, height) {
  bitmap = image;
  view.show(width, height);
  viewChanged();
}

/** To be called after each change of `view`. */
export function viewChanged() {
  invalidate("photo", "shapes", "live");
  emit("view");
}

function prepare(name) {
  const context = layers[name];
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  return context;
}

function draw() {
  asked = false;
  const due = new Set(dirty);
  dirty.clear();
  if (due.has("photo")) drawPhoto(prepare("photo"));
  if (due.has("shapes")) {
    const context = prepare("shapes");
    if (app.photo && !app.options.hidden) paintShapes(context, app.photo, view, { ...app.options, lifted });
  }
  if (due.has("live")) paintLive(prepare("live"));
}

function drawPhoto(context) {
  if (!bitmap) return;
  // Large pixels are shown as they are: they are what is labelled.
  context.imageSmoothingEnabled = view.scale < 2;
  context.drawImage(bitmap, view.x, view.y, view.photoWidth * view.scale, view.photoHeight * view.scale);
}

function resize() {
  const { width, height } = byId("stage").getBoundingClientRect();
  if (width === 0 || height === 0) return;
  ratio = window.devicePixelRatio || 1;
  for (const { canvas } of Object.values(layers)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  view.resize(width, height);
  viewChanged();
}

// A window that is drawn to another screen may keep its size in CSS pixels.
function watchRatio() {
  matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`).addEventListener("change", () => {
    resize();
    watchRatio();
  }, { once: true });
}

function applyFilter() {
  const { brightness, contrast } = app.options;
  const plain = brightness === 1 && contrast === 1;
  byId("photo-layer").style.filter = plain ? "" : `brightness(${brightness}) contrast(${contrast})`;
}

export function startStage() {
  layers.photo = byId("photo-layer").getContext("2d", { alpha: true });
  layers.shapes = byId("shapes-layer").getContext("2d");
  layers.live = byId("canvas").getContext("2d");
  new ResizeObserver(resize).observe(byId("stage"));
  resize();
  watchRatio();
  on("change selection categories options photo", () => invalidate("shapes", "live"));
  on("tool", () => invalidate("live"));
  on("options", applyFilter);
}
