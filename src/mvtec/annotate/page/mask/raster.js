// Brush strokes as pixels: a pixel belongs to a stroke when its centre lies within the radius of the segment.

/** @typedef {import("./rle.js").Crop} Crop */
/**
 * One piece of a stroke, in photo pixels.
 * @typedef {{ax: number, ay: number, bx: number, by: number, radius: number}} Segment
 */

/**
 * The pixels that a segment may touch, within the photo.
 * @param {Segment} segment
 * @param {number} width of the photo
 * @param {number} height of the photo
 * @returns {{x0: number, y0: number, x1: number, y1: number}} whole pixels, x1 and y1 not included
 */
export function reach(segment, width, height) {
  const { ax, ay, bx, by, radius } = segment;
  return {
    x0: Math.max(0, Math.floor(Math.min(ax, bx) - radius)),
    y0: Math.max(0, Math.floor(Math.min(ay, by) - radius)),
    x1: Math.min(width, Math.ceil(Math.max(ax, bx) + radius)),
    y1: Math.min(height, Math.ceil(Math.max(ay, by) + radius)),
  };
}

function inside(segment, x, y) {
  const dx = segment.bx - segment.ax, dy = segment.by - segment.ay;
  const length2 = dx * dx + dy * dy;
  const along = length2 === 0 ? 0 : ((x - segment.ax) * dx + (y - segment.ay) * dy) / length2;
  const t = Math.min(1, Math.max(0, along));
  const ex = x - segment.ax - t * dx, ey = y - segment.ay - t * dy;
  return ex * ex + ey * ey <= segment.radius * segment.radius;
}

// Where the vertical line at x meets the stroke's shape, as [lowest y, highest y]; the shape is convex, so that the
// parts of it (two discs and the band between them) meet the line in one piece.
function crossing(segment, x) {
  const { ax, ay, bx, by, radius } = segment;
  let low = Infinity, high = -Infinity;
  for (const [cx, cy] of [[ax, ay], [bx, by]]) {
    const rest = radius * radius - (x - cx) * (x - cx);
    if (rest < 0) continue;
    low = Math.min(low, cy - Math.sqrt(rest));
    high = Math.max(high, cy + Math.sqrt(rest));
  }
  const length = Math.hypot(bx - ax, by - ay);
  if (length === 0 || bx === ax) return [low, high];
  const ux = (bx - ax) / length, uy = (by - ay) / length;
  const middle = ay + ((x - ax) * uy) / ux, half = radius / Math.abs(ux);
  let from = middle - half, to = middle + half;
  if (uy !== 0) {
    const one = ay - ((x - ax) * ux) / uy, two = ay + (length - (x - ax) * ux) / uy;
    from = Math.max(from, Math.min(one, two));
    to = Math.min(to, Math.max(one, two));
  } else if ((x - ax) * ux < 0 || (x - ax) * ux > length) return [low, high];
  if (from <= to) {
    low = Math.min(low, from);
    high = Math.max(high, to);
  }
  return [low, high];
}

/**
 * Sets the pixels of a segment. The crop must have room for `reach(segment)`.
 * @param {Crop} crop changed in place
 * @param {Segment} segment
 * @param {0 | 1} value
 */
export function stamp(crop, segment, value) {
  const { x0, x1 } = reach(segment, crop.x + crop.w, crop.y + crop.h);
  for (let x = Math.max(x0, crop.x); x < x1; x += 1) {
    const centre = x + 0.5;
    const [low, high] = crossing(segment, centre);
    if (low > high) continue;
    let first = Math.ceil(low - 0.5), last = Math.floor(high - 0.5);
    // Square roots round: the ends are settled by the rule itself.
    while (inside(segment, centre, first - 0.5)) first -= 1;
    while (first <= last && !inside(segment, centre, first + 0.5)) first += 1;
    while (inside(segment, centre, last + 1.5)) last += 1;
    while (last >= first && !inside(segment, centre, last + 0.5)) last -= 1;
    first = Math.max(first, crop.y);
    last = Math.min(last, crop.y + crop.h - 1);
    if (first > last) continue;
    const column = (x - crop.x) * crop.h - crop.y;
    crop.data.fill(value, column + first, column + last + 1);
  }
}
