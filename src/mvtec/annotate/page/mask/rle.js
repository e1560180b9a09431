// COCO run lengths (`counts`) to a small crop of the mask, and back.
//
// A crop keeps its pixels down the columns, as COCO counts them. Both ways are then straight walks through memory,
// which is what lets a stroke on a 12-megapixel photo end without a pause.

/**
 * A part of a mask. Everything outside the crop is 0.
 * @typedef {{x: number, y: number, w: number, h: number, data: Uint8Array}} Crop
 * x, y: the photo's pixel at the crop's top left; w, h: size in pixels; data: 0 or 1, `data[(px - x) * h + (py - y)]`.
 */

/**
 * The tight crop of a mask.
 * @param {number[]} counts run lengths over the whole photo, down the columns, beginning with zeros
 * @param {number} height of the photo, in pixels
 * @returns {Crop} with w = h = 0 when the mask is empty
 */
export function decode(counts, height) {
  let position = 0;
  let left = Infinity, right = -1, top = Infinity, bottom = -1;
  for (let i = 0; i < counts.length; i += 1) {
    const length = counts[i];
    if (i % 2 === 1 && length > 0) {
      const last = position + length - 1;
      const firstColumn = Math.floor(position / height), lastColumn = Math.floor(last / height);
      left = Math.min(left, firstColumn);
      right = lastColumn;
      const wraps = firstColumn !== lastColumn;
      top = Math.min(top, wraps ? 0 : position % height);
      bottom = Math.max(bottom, wraps ? height - 1 : last % height);
    }
    position += length;
  }
  if (right < 0) return { x: 0, y: 0, w: 0, h: 0, data: new Uint8Array(0) };
  const w = right - left + 1, h = bottom - top + 1;
  const data = new Uint8Array(w * h);
  position = 0;
  for (let i = 0; i < counts.length; i += 1) {
    if (i % 2 === 1) fillRun(data, position, counts[i], height, left, top, h);
    position += counts[i];
  }
  return { x: left, y: top, w, h, data };
}

function fillRun(data, start, length, height, left, top, h) {
  const end = start + length;
  while (start < end) {
    const column = Math.floor(start / height), y = start % height;
    const stop = Math.min(end, (column + 1) * height);
    const at = (column - left) * h + y - top;
    data.fill(1, at, at + stop - start);
    start = stop;
  }
}

/**
 * The run lengths of a crop. Only the crop is walked, never the whole photo.
 * @param {Crop} crop
 * @param {number} height of the photo, in pixels
 * @param {number} width of the photo, in pixels
 * @returns {number[]}
 */
export function encode(crop, height, width) {
  const counts = [];
  let end = 0;
  for (let column = 0; column < crop.w; column += 1) {
    const from = column * crop.h, to = from + crop.h;
    const base = (crop.x + column) * height + crop.y - from;
    const { data } = crop;
    let i = from;
    while (i < to) {
      while (i < to && data[i] === 0) i += 1;
      if (i === to) break;
      const start = i;
      while (i < to && data[i] === 1) i += 1;
      const length = i - start;
      if (counts.length > 0 && base + start === end) counts[counts.length - 1] += length;
      else counts.push(base + start - end, length);
      end = base + i;
    }
  }
  const rest = height * width - end;
  if (rest > 0) counts.push(rest);
  return counts;
}

/**
 * How many pixels are 1.
 * @param {number[]} counts
 */
export function areaOf(counts) {
  let area = 0;
  for (let i = 1; i < counts.length; i += 2) area += counts[i];
  return area;
}
