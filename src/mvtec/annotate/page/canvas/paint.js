// Draws annotations: masks, polygons, boxes. Proposals are dashed.

import { categoryName } from "../app.js";
import { mayOverlap } from "./geometry.js";
import { colourOf, css } from "./palette.js";
import { cropOf, outlineOf, pathOf, pictureOf } from "../mask/pictures.js";

/** @typedef {import("./view.js").View} View */

/**
 * @param {CanvasRenderingContext2D} context in CSS pixels of the stage
 * @param {{annotations: object[], height: number, selection: Set<string>}} photo
 * @param {{x: number, y: number, scale: number}} view
 * @param {{opacity: number, outlineOnly: boolean, lifted: Set<string>}} options
 */
export function paintShapes(context, photo, view, { opacity, outlineOnly, lifted }) {
  const shown = photo.annotations.filter(({ key }) => !lifted.has(key));
  context.save();
  context.translate(view.x, view.y);
  context.scale(view.scale, view.scale);
  context.imageSmoothingEnabled = view.scale < 1;
  for (const annotation of shown) {
    if (!outlineOnly) fill(context, annotation, photo.height, opacity);
  }
  for (const annotation of shown) {
    const selected = photo.selection.has(annotation.key);
    strokeAnnotation(context, annotation, photo.height, view.scale, selected);
  }
  context.restore();
  for (const annotation of shown) {
    if (photo.selection.has(annotation.key)) tag(context, annotation, view);
  }
}

function fill(context, { geometry, category_id }, height, opacity) {
  const rgb = colourOf(category_id);
  context.globalAlpha = opacity;
  if (geometry.kind === "mask") {
    const picture = pictureOf(geometry.counts, height, rgb);
    const { x, y } = cropOf(geometry.counts, height);  // a model's own box need not be the tight one
    if (picture) context.drawImage(picture, x, y);
  } else if (geometry.kind === "polygon") {
    fillRings(context, geometry.polygon, css(rgb));
  } else {
    // A box only says where: what is inside stays to be seen.
    context.globalAlpha = opacity / 4;
    context.fillStyle = css(rgb);
    context.fillRect(...geometry.bbox);
  }
  context.globalAlpha = 1;
}

/** Polygons whose rings lie over each other, so that this is not asked at each frame. @type {WeakMap<number[][], boolean>} */
const overlapping = new WeakMap();
/** @type {HTMLCanvasElement | null} */
let scratch = null;

// What is stored is the union of the rings. Those that lie over each other are painted together on a canvas of their
// own first: laid over the photo one by one they would be darker where they meet.
function fillRings(context, rings, colour) {
  if (!overlapping.has(rings)) overlapping.set(rings, mayOverlap(rings));
  if (!overlapping.get(rings)) {
    context.fillStyle = colour;
    context.fill(pathOf(rings), "evenodd");
    return;
  }
  scratch ??= document.createElement("canvas");
  scratch.width = context.canvas.width;
  scratch.height = context.canvas.height;
  const alone = scratch.getContext("2d");
  alone.setTransform(context.getTransform());
  alone.fillStyle = colour;
  for (const ring of rings) alone.fill(pathOf([ring]), "evenodd");
  context.save();
  context.resetTransform();
  context.drawImage(scratch, 0, 0);
  context.restore();
}

function pathOfGeometry({ kind, bbox, counts, polygon }, height) {
  if (kind === "mask") return outlineOf(counts, height);
  if (kind === "polygon") return pathOf(polygon);
  const path = new Path2D();
  const [x, y, w, h] = bbox;
  path.rect(x, y, w, h);
  return path;
}

function strokeAnnotation(context, annotation, height, scale, selected) {
  const path = pathOfGeometry(annotation.geometry, height);
  strokePath(context, path, scale, colourOf(annotation.category_id), { dashed: annotation.proposed, selected });
}

/**
 * A line that is seen on light and dark parts alike: the colour on a dark casing, white where selected.
 * @param {CanvasRenderingContext2D} context in photo pixels
 * @param {Path2D} path
 * @param {number} scale CSS pixels per photo pixel
 * @param {number[]} rgb
 * @param {{dashed?: boolean, selected?: boolean}} look
 */
function strokePath(context, path, scale, rgb, { dashed = false, selected = false } = {}) {
  context.lineJoin = "round";
  context.setLineDash([]);
  context.lineWidth = (selected ? 5 : 3) / scale;
  context.strokeStyle = selected ? "rgba(255, 255, 255, 0.9)" : "rgba(0, 0, 0, 0.55)";
  if (dashed) context.setLineDash([7 / scale, 5 / scale]);
  context.stroke(path);
  if (selected) {
    context.lineWidth = 3 / scale;
    context.strokeStyle = "rgba(0, 0, 0, 0.75)";
    context.stroke(path);
  }
  context.lineWidth = (selected ? 2 : 1.5) / scale;
  context.strokeStyle = css(rgb);
  context.stroke(path);
  context.setLineDash([]);
}

function tag(context, { geometry, category_id, score, attributes, proposed }, view) {
  const certainty = score ?? attributes.predicted_iou;
  const text = categoryName(category_id).slice(0, 40) + (proposed ? " ?" : "") + (typeof certainty === "number" ? ` ${certainty.toFixed(2)}` : "");
  context.font = "600 12px system-ui, sans-serif";
  const width = context.measureText(text).width + 12;
  const x = Math.max(2, Math.min(view.width - width - 2, view.x + geometry.bbox[0] * view.scale - 2));
  const above = view.y + geometry.bbox[1] * view.scale - 26;
  const y = above > 2 ? above : Math.min(view.height - 22, view.y + (geometry.bbox[1] + geometry.bbox[3]) * view.scale + 6);
  context.fillStyle = css(colourOf(category_id));
  context.beginPath();
  context.roundRect(x, y, width, 20, 4);
  context.fill();
  context.fillStyle = "#10141a";
  context.textBaseline = "middle";
  context.fillText(text, x + 6, y + 10.5);
}

/**
 * A small square or disc that can be dragged.
 * @param {CanvasRenderingContext2D} context in CSS pixels of the stage
 * @param {number} sx
 * @param {number} sy
 * @param {{round?: boolean, active?: boolean, small?: boolean, colour?: string}} look
 */
export function paintHandle(context, sx, sy, { round = false, active = false, small = false, colour = "#fff" } = {}) {
  const size = active ? 6 : small ? 2.5 : 4.5;
  context.beginPath();
  if (round) context.arc(sx, sy, size, 0, 2 * Math.PI);
  else context.rect(sx - size, sy - size, 2 * size, 2 * size);
  context.fillStyle = active ? "#ffd54a" : colour;
  context.fill();
  context.lineWidth = small ? 1 : 1.5;
  context.strokeStyle = "#10141a";
  context.stroke();
}

/**
 * A small picture of a photo with its labels, for dialogs.
 * @param {HTMLCanvasElement} canvas its width is kept, its height is set
 * @param {ImageBitmap | HTMLImageElement | null} image
 * @param {{annotations: object[], width: number, height: number}} photo
 */
export function paintPreview(canvas, image, photo) {
  const scale = canvas.width / photo.width;
  canvas.height = Math.max(1, Math.round(photo.height * scale));
  const context = canvas.getContext("2d");
  if (image) context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const still = { x: 0, y: 0, scale, width: canvas.width, height: canvas.height };
  const parts = { annotations: photo.annotations, height: photo.height, selection: new Set() };
  paintShapes(context, parts, still, { opacity: 0.4, outlineOnly: false, lifted: new Set() });
}
