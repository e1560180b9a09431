// Brush and eraser: the pixels that matter. A stroke writes into a crop and draws only what it has changed.

import { drawn, maskGeometry, reshaped, sameNumbers, whyFixed } from "../photo/annotation.js";
import { app, on } from "../app.js";
import { emptyCrop, covers, extent, grown } from "../mask/crop.js";
import { byId } from "../dom.js";
import { clamp, inBox } from "../canvas/geometry.js";
import { colourOf } from "../canvas/palette.js";
import { cropOf, drawCrop } from "../mask/pictures.js";
import { reach, stamp } from "../mask/raster.js";
import { encode } from "../mask/rle.js";
import { say } from "../panels/message.js";
import { invalidate, lift, view } from "../canvas/stage.js";
import { CHANGED_MEANWHILE, idleTool } from "./idle-tool.js";

/** The stroke under way: photo, annotation (null: a new one), crop, canvas, dirty part, last place. */
let stroke = null;
/** Milliseconds between the frames of the last stroke. */
let frames = [];

/** @returns {number[]} */
export function framesOfLastStroke() {
  return frames.slice();
}

// What is painted on: the one selected annotation; for the eraser else the one under the pointer. A box becomes a mask
// only where the stroke begins in it: who paints elsewhere means another defect.
function targetAt(point, erasing) {
  const { selected, annotations, height } = app.photo;
  const [only, ...others] = selected;
  const elsewhere = only?.geometry.kind === "box" && !inBox(only.geometry.bbox, point.x, point.y);
  if (only && others.length === 0 && !elsewhere) return only;
  if (!erasing) return null;
  const under = ({ geometry }) => geometry.counts && covers(cropOf(geometry.counts, height), point.x, point.y);
  return annotations.findLast(under) ?? null;
}

function begin(point, value) {
  const erasing = value === 0;
  const annotation = targetAt(point, erasing);
  if (!annotation && (erasing || app.categoryId === null)) {
    say(erasing ? "Nothing to erase here." : "Add a class first.");
    return;
  }
  const geometry = annotation?.geometry;
  if (annotation && whyFixed(annotation)) {
    say(whyFixed(annotation));
    return;
  }
  if (geometry && !geometry.counts && (erasing || geometry.kind === "polygon")) {
    say(geometry.kind === "polygon" ? "This polygon is still being saved; try again in a moment." : "A box has no pixels to erase.");
    return;
  }
  const old = geometry?.counts ? cropOf(geometry.counts, app.photo.height) : emptyCrop();
  const crop = { ...old, data: old.data.slice() };
  const rgb = colourOf(annotation?.category_id ?? app.categoryId);
  stroke = { photo: app.photo, annotation, crop, value, rgb, canvas: null, dirty: null, last: painted(point), changed: false };
  if (crop.w > 0) {
    const canvas = newCanvas(crop);
    stroke.canvas = canvas;
    drawCrop(canvas.getContext("2d"), crop, crop.x, crop.y, crop.w, crop.h, rgb);
  }
  if (annotation) lift([annotation.key]);
  measureFrames();
  extend([point]);
}

// The finest brush paints the pixel that it is in, wherever in it.
function painted({ x, y }) {
  if (app.options.brushSize > 1) return { x, y };
  const { width, height } = app.photo;
  return { x: clamp(Math.floor(x), 0, width - 1) + 0.5, y: clamp(Math.floor(y), 0, height - 1) + 0.5 };
}

function newCanvas({ w, h }) {
  const canvas = document.createElement("canvas");
  canvas.width = w;
  canvas.height = h;
  return canvas;
}

function extend(points) {
  const { width, height } = stroke.photo;
  for (const point of points) {
    const { x, y } = painted(point);
    const segment = { ax: stroke.last.x, ay: stroke.last.y, bx: x, by: y, radius: app.options.brushSize / 2 };
    stroke.last = { x, y };
    const part = reach(segment, width, height);
    if (part.x1 <= part.x0 || part.y1 <= part.y0) continue;
    if (stroke.value === 1) makeRoom(part);
    stamp(stroke.crop, segment, stroke.value);
    stroke.changed = true;
    const dirty = stroke.dirty ?? part;
    stroke.dirty = {
      x0: Math.min(dirty.x0, part.x0), y0: Math.min(dirty.y0, part.y0),
      x1: Math.max(dirty.x1, part.x1), y1: Math.max(dirty.y1, part.y1),
    };
  }
  invalidate("live");
}

function makeRoom({ x0, y0, x1, y1 }) {
  const before = stroke.crop;
  stroke.crop = grown(before, x0, y0, x1, y1, stroke.photo.width, stroke.photo.height);
  if (stroke.crop === before) return;
  const canvas = newCanvas(stroke.crop);
  if (stroke.canvas) canvas.getContext("2d").drawImage(stroke.canvas, before.x - stroke.crop.x, before.y - stroke.crop.y);
  stroke.canvas = canvas;
}

// Between two frames the pointer may have moved many times: its pixels go to the canvas once.
function flush() {
  const { dirty, crop } = stroke;
  if (!dirty || !stroke.canvas) return;
  stroke.dirty = null;
  const x0 = Math.max(dirty.x0, crop.x), y0 = Math.max(dirty.y0, crop.y);
  const x1 = Math.min(dirty.x1, crop.x + crop.w), y1 = Math.min(dirty.y1, crop.y + crop.h);
  drawCrop(stroke.canvas.getContext("2d"), crop, x0, y0, x1 - x0, y1 - y0, stroke.rgb);
}

function finish() {
  const { photo, annotation, crop, value, changed } = stroke;
  stroke = null;
  lift([]);
  if (!changed) return;
  if (annotation && photo.find(annotation.key) !== annotation) {
    say(CHANGED_MEANWHILE);
    return;
  }
  const { bbox, area } = extent(crop);
  if (area === 0) {
    if (annotation?.geometry.counts) {
      photo.change("last pixels erased", { annotations: photo.annotations.filter(({ key }) => key !== annotation.key) });
      say("The last pixels were erased: the label is gone.");
    }
    return;
  }
  const counts = encode(crop, photo.height, photo.width), geometry = maskGeometry(counts, bbox);
  // A stroke beside a proposal does not review it.
  if (sameNumbers(counts, annotation?.geometry.counts)) return;
  const what = value === 1 ? "brush stroke" : "pixels erased";
  if (annotation) {
    photo.replace(what, reshaped(annotation, geometry));
    if (annotation.geometry.kind !== "mask") say(`The ${annotation.geometry.kind} is a mask now.`);
  } else photo.add(what, drawn(app.categoryId, geometry));
}

function measureFrames() {
  frames = [];
  let last = 0;
  const tick = (now) => {
    if (!stroke) return;
    if (last > 0) frames.push(now - last);
    last = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

// The ring is an element of its own: moving it redraws nothing.
function showRing(point) {
  const ring = byId("brush-ring"), size = Math.max(2, app.options.brushSize * view.scale);
  ring.hidden = point === null;
  if (!point) return;
  ring.style.width = ring.style.height = `${size}px`;
  ring.style.transform = `translate(${point.sx - size / 2}px, ${point.sy - size / 2}px)`;
}

let ringPoint = null;

function moveRing(point) {
  ringPoint = point;
  showRing(point);
}

function brushOf(value) {
  return {
    ...idleTool(),
    holds: () => stroke !== null,
    down(point) {
      moveRing(point);
      begin(point, value);
    },
    move(point, all) {
      moveRing(point);
      if (stroke) extend(all);
    },
    up(point) {
      if (stroke) finish();
      // A finger that is lifted hovers nowhere.
      if (point.coarse) moveRing(null);
    },
    hover: moveRing,
    leave: () => moveRing(null),
    cancel() {
      const had = stroke !== null;
      stroke = null;
      lift([]);
      return had;
    },
    paint(context) {
      if (!stroke) return;
      flush();
      if (!stroke.canvas) return;
      const { x, y, w, h } = stroke.crop;
      const { sx, sy } = view.toStage(x, y);
      context.imageSmoothingEnabled = view.scale < 1;
      context.globalAlpha = Math.max(0.35, app.options.opacity);
      context.drawImage(stroke.canvas, sx, sy, w * view.scale, h * view.scale);
      context.globalAlpha = 1;
    },
  };
}

export const brush = brushOf(1);
export const eraser = brushOf(0);

on("options view", () => {
  if (ringPoint) showRing(ringPoint);
});
on("tool", () => moveRing(null));
on("photo", () => brush.cancel());
