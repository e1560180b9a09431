// What can be done to the crop of a mask: look up, grow, trim.

/** @typedef {import("./rle.js").Crop} Crop */

/** @returns {Crop} */
export function emptyCrop() {
  return { x: 0, y: 0, w: 0, h: 0, data: new Uint8Array(0) };
}

/**
 * Is the pixel that holds this position in the mask?
 * @param {Crop} crop
 * @param {number} x in photo pixels, may be fractional
 * @param {number} y
 */
export function covers(crop, x, y) {
  const column = Math.floor(x) - crop.x, row = Math.floor(y) - crop.y;
  if (column < 0 || row < 0 || column >= crop.w || row >= crop.h) return false;
  return crop.data[column * crop.h + row] === 1;
}

/**
 * A crop with the same pixels and room for [x0, x1) × [y0, y1). When it must grow it grows by a good deal, so that a
 * long stroke copies its pixels a few times and not at each move.
 * @param {Crop} crop
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 * @param {number} width of the photo
 * @param {number} height of the photo
 * @returns {Crop} the same object when it has room already
 */
export function grown(crop, x0, y0, x1, y1, width, height) {
  const empty = crop.w === 0;
  const fits = !empty && x0 >= crop.x && y0 >= crop.y && x1 <= crop.x + crop.w && y1 <= crop.y + crop.h;
  if (fits) return crop;
  const left = empty ? x0 : Math.min(x0, crop.x), top = empty ? y0 : Math.min(y0, crop.y);
  const right = empty ? x1 : Math.max(x1, crop.x + crop.w), bottom = empty ? y1 : Math.max(y1, crop.y + crop.h);
  const room = 64 + Math.round(Math.max(right - left, bottom - top) / 4);
  const x = Math.max(0, left - (x0 <= left ? room : 0)), y = Math.max(0, top - (y0 <= top ? room : 0));
  const w = Math.min(width, right + (x1 >= right ? room : 0)) - x;
  const h = Math.min(height, bottom + (y1 >= bottom ? room : 0)) - y;
  const data = new Uint8Array(w * h);
  for (let column = 0; column < crop.w; column += 1) {
    const from = column * crop.h;
    data.set(crop.data.subarray(from, from + crop.h), (crop.x + column - x) * h + crop.y - y);
  }
  return { x, y, w, h, data };
}

/**
 * The smallest box around the mask's pixels, `[x, y, w, h]`, and how many there are.
 * @param {Crop} crop
 * @returns {{bbox: number[], area: number}}
 */
export function extent(crop) {
  let left = Infinity, right = -1, top = Infinity, bottom = -1, area = 0;
  for (let column = 0; column < crop.w; column += 1) {
    const pixels = crop.data.subarray(column * crop.h, (column + 1) * crop.h);
    const first = pixels.indexOf(1);
    if (first < 0) continue;
    const last = pixels.lastIndexOf(1);
    left = Math.min(left, column);
    right = column;
    top = Math.min(top, first);
    bottom = Math.max(bottom, last);
    for (let row = first; row <= last; row += 1) area += pixels[row];
  }
  if (right < 0) return { bbox: [0, 0, 0, 0], area: 0 };
  return { bbox: [crop.x + left, crop.y + top, right - left + 1, bottom - top + 1], area };
}
