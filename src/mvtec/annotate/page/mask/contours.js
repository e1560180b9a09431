// The outline of a mask along the edges of its pixels, as closed rings, so that dashes run on around corners.

/** @typedef {import("./rle.js").Crop} Crop */

// East, south, west, north. The mask is always on the right hand.
const STEP_X = [1, 0, -1, 0];
const STEP_Y = [0, 1, 0, -1];
// The pixel ahead on the left and on the right of a corner, as offsets from that corner, for each direction.
const LEFT_X = [0, 0, -1, -1], LEFT_Y = [-1, 0, 0, -1];
const RIGHT_X = [0, -1, -1, 0], RIGHT_Y = [0, 0, -1, -1];

/**
 * @param {Crop} crop
 * @returns {number[][]} rings `[x, y, x, y, …]` of corners in photo pixels; pixels that touch at a corner share a ring
 */
export function contours(crop) {
  const { w, h, data } = crop;
  const seen = new Uint8Array(w * h);
  const at = (x, y) => x >= 0 && y >= 0 && x < w && y < h && data[x * h + y] === 1;
  const rings = [];
  for (let x = 0; x < w; x += 1) {
    for (let y = 0; y < h; y += 1) {
      const i = x * h + y;
      if (data[i] === 0 || seen[i] === 1 || (y > 0 && data[i - 1] === 1)) continue;
      rings.push(follow(crop, at, seen, x, y));
    }
  }
  return rings;
}

function follow(crop, at, seen, startX, startY) {
  const ring = [];
  let x = startX, y = startY, direction = 0;
  do {
    if (direction === 0) seen[x * crop.h + y] = 1;
    x += STEP_X[direction];
    y += STEP_Y[direction];
    let turn = 0;
    if (at(x + LEFT_X[direction], y + LEFT_Y[direction])) turn = 3;
    else if (!at(x + RIGHT_X[direction], y + RIGHT_Y[direction])) turn = 1;
    if (turn !== 0) {
      ring.push(crop.x + x, crop.y + y);
      direction = (direction + turn) % 4;
    }
  } while (x !== startX || y !== startY || direction !== 0);
  return ring;
}
