// Masks as pictures: a small canvas of the crop and its outline, made once for each mask and colour.

import { contours } from "./contours.js";
import { decode } from "./rle.js";

/** @typedef {import("./rle.js").Crop} Crop */

/** Masks of undone steps may come back soon. Those used last stay, up to so many pixels of crops. */
const KEPT_PIXELS = 60e6;
let keptPixels = 0;
/** @type {Map<number[], {crop: Crop, canvas: HTMLCanvasElement | null, colour: string, path: Path2D | null}>} */
const kept = new Map();

function entryOf(counts, height) {
  let entry = kept.get(counts);
  if (entry) {
    kept.delete(counts);
    kept.set(counts, entry);
    return entry;
  }
  entry = { crop: decode(counts, height), canvas: null, colour: "", path: null };
  kept.set(counts, entry);
  keptPixels += entry.crop.data.length;
  for (const [oldest, { crop }] of kept) {
    if (keptPixels <= KEPT_PIXELS || oldest === counts) break;
    kept.delete(oldest);
    keptPixels -= crop.data.length;
  }
  return entry;
}

/** @param {number[]} counts @param {number} height of the photo @returns {Crop} not to be changed in place */
export function cropOf(counts, height) {
  return entryOf(counts, height).crop;
}

/** @returns {HTMLCanvasElement | null} the mask in one colour, a pixel to a pixel; null when it is empty */
export function pictureOf(counts, height, rgb) {
  const entry = entryOf(counts, height);
  if (entry.crop.w === 0) return null;
  const colour = rgb.join();
  if (entry.colour !== colour) {
    entry.canvas = document.createElement("canvas");
    entry.canvas.width = entry.crop.w;
    entry.canvas.height = entry.crop.h;
    drawCrop(entry.canvas.getContext("2d"), entry.crop, entry.crop.x, entry.crop.y, entry.crop.w, entry.crop.h, rgb);
    entry.colour = colour;
  }
  return entry.canvas;
}

/** @returns {Path2D} in photo pixels */
export function outlineOf(counts, height) {
  const entry = entryOf(counts, height);
  entry.path ??= pathOf(contours(entry.crop));
  return entry.path;
}

/** @param {number[][]} rings in photo pixels */
export function pathOf(rings) {
  const path = new Path2D();
  for (const ring of rings) {
    path.moveTo(ring[0], ring[1]);
    for (let i = 2; i < ring.length; i += 2) path.lineTo(ring[i], ring[i + 1]);
    path.closePath();
  }
  return path;
}

/**
 * Writes a part of a crop into the canvas of that crop: the part that has changed, and no more.
 * @param {CanvasRenderingContext2D} context of a canvas with the crop's size
 * @param {Crop} crop
 * @param {number} x of the part, in photo pixels, whole
 * @param {number} y
 * @param {number} w
 * @param {number} h
 * @param {number[]} rgb
 */
export function drawCrop(context, crop, x, y, w, h, rgb) {
  if (w <= 0 || h <= 0) return;
  const image = context.createImageData(w, h);
  const pixels = new Uint32Array(image.data.buffer);
  // All machines that run a browser today are little-endian: alpha is the highest byte.
  const colour = (255 << 24) | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0];
  for (let column = 0; column < w; column += 1) {
    const from = (x - crop.x + column) * crop.h + y - crop.y;
    for (let row = 0; row < h; row += 1) {
      if (crop.data[from + row] === 1) pixels[row * w + column] = colour;
    }
  }
  context.putImageData(image, x - crop.x, y - crop.y);
}
