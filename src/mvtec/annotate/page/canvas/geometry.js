// Boxes and polygons: plain geometry in photo pixels.

/**
 * The box between two corners, kept within the photo.
 * @param {{x: number, y: number}} a
 * @param {{x: number, y: number}} b
 * @param {number} width of the photo
 * @param {number} height of the photo
 * @returns {number[]} `[x, y, w, h]`, rounded to a tenth of a pixel
 */
export function boxBetween(a, b, width, height) {
  const x0 = tenth(clamp(Math.min(a.x, b.x), 0, width)), x1 = tenth(clamp(Math.max(a.x, b.x), 0, width));
  const y0 = tenth(clamp(Math.min(a.y, b.y), 0, height)), y1 = tenth(clamp(Math.max(a.y, b.y), 0, height));
  return [x0, y0, tenth(x1 - x0), tenth(y1 - y0)];
}

/** @param {number} value */
export function tenth(value) {
  return Math.round(value * 10) / 10;
}

/** @param {number} value @param {number} low @param {number} high */
export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

/**
 * The eight places of a box that can be dragged.
 * @param {number[]} bbox `[x, y, w, h]`
 * @returns {{name: string, x: number, y: number}[]} name holds n, s, w, e for the sides it moves
 */
export function boxHandles([x, y, w, h]) {
  const places = [];
  for (const [row, vertical] of ["n", "", "s"].entries()) {
    for (const [column, horizontal] of ["w", "", "e"].entries()) {
      const name = vertical + horizontal;
      if (name) places.push({ name, x: x + (column * w) / 2, y: y + (row * h) / 2 });
    }
  }
  return places;
}

/**
 * A box after one of its handles was dragged by (dx, dy); `move` shifts it whole and keeps it in the photo.
 * @param {number[]} bbox `[x, y, w, h]`
 * @param {string} handle a name of `boxHandles`, or `move`
 * @param {number} dx
 * @param {number} dy
 * @param {number} width of the photo
 * @param {number} height of the photo
 * @returns {number[]}
 */
export function draggedBox([x, y, w, h], handle, dx, dy, width, height) {
  if (handle === "move") {
    return [tenth(clamp(x + dx, 0, width - w)), tenth(clamp(y + dy, 0, height - h)), w, h];
  }
  const a = { x: x + (handle.includes("w") ? dx : 0), y: y + (handle.includes("n") ? dy : 0) };
  const b = { x: x + w + (handle.includes("e") ? dx : 0), y: y + h + (handle.includes("s") ? dy : 0) };
  return boxBetween(a, b, width, height);
}

/** Is (x, y) in the box `[x, y, w, h]`? @param {number[]} bbox @param {number} x @param {number} y */
export function inBox([left, top, w, h], x, y) {
  return x >= left && y >= top && x <= left + w && y <= top + h;
}

function inRing(ring, x, y) {
  let inside = false;
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    const [xi, yi, xj, yj] = [ring[i], ring[i + 1], ring[j], ring[j + 1]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/**
 * Is (x, y) inside one of the rings, each by the even-odd rule?
 * @param {number[][]} rings
 */
export function inPolygon(rings, x, y) {
  return rings.some((ring) => inRing(ring, x, y));
}

/**
 * May rings cover the same pixels? Asked of their boxes.
 * @param {number[][]} rings
 */
export function mayOverlap(rings) {
  const boxes = rings.map((ring) => ringsBox([ring]));
  return boxes.some(([ax, ay, aw, ah], i) => boxes.slice(i + 1).some(([bx, by, bw, bh]) =>
    ax < bx + bw && bx < ax + aw && ay < by + bh && by < ay + ah));
}

/**
 * The box around rings.
 * @param {number[][]} rings
 * @returns {number[]} `[x, y, w, h]`
 */
export function ringsBox(rings) {
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  for (const ring of rings) {
    for (let i = 0; i < ring.length; i += 2) {
      left = Math.min(left, ring[i]);
      right = Math.max(right, ring[i]);
      top = Math.min(top, ring[i + 1]);
      bottom = Math.max(bottom, ring[i + 1]);
    }
  }
  return [left, top, right - left, bottom - top];
}

/** The area inside rings, in square pixels; only for lists, the server counts the pixels. */
export function ringsArea(rings) {
  let area = 0;
  for (const ring of rings) {
    let twice = 0;
    for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
      twice += ring[j] * ring[i + 1] - ring[i] * ring[j + 1];
    }
    area += Math.abs(twice) / 2;
  }
  return Math.round(area);
}

/**
 * The vertex nearest to (x, y) within `distance`.
 * @returns {{ring: number, vertex: number} | null}
 */
export function vertexAt(rings, x, y, distance) {
  let best = null, least = distance;
  rings.forEach((ring, r) => {
    for (let i = 0; i < ring.length; i += 2) {
      const d = Math.hypot(ring[i] - x, ring[i + 1] - y);
      if (d <= least) {
        least = d;
        best = { ring: r, vertex: i / 2 };
      }
    }
  });
  return best;
}

/**
 * The edge nearest to (x, y) within `distance`, named by the vertex before it.
 * @returns {{ring: number, vertex: number} | null}
 */
export function edgeAt(rings, x, y, distance) {
  let best = null, least = distance;
  rings.forEach((ring, r) => {
    const n = ring.length / 2;
    for (let i = 0; i < n; i += 1) {
      const j = (i + 1) % n;
      const [ax, ay, bx, by] = [ring[2 * i], ring[2 * i + 1], ring[2 * j], ring[2 * j + 1]];
      const length2 = (bx - ax) ** 2 + (by - ay) ** 2;
      const t = length2 === 0 ? 0 : clamp(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length2, 0, 1);
      const d = Math.hypot(ax + t * (bx - ax) - x, ay + t * (by - ay) - y);
      if (d <= least) {
        least = d;
        best = { ring: r, vertex: i };
      }
    }
  });
  return best;
}

/** Rings with a vertex moved, added after another, or taken out (null when no triangle is left). */
export function withVertex(rings, r, vertex, x, y) {
  const next = rings.map((ring) => ring.slice());
  next[r][2 * vertex] = x;
  next[r][2 * vertex + 1] = y;
  return next;
}

export function withNewVertex(rings, r, after, x, y) {
  const next = rings.map((ring) => ring.slice());
  next[r].splice(2 * (after + 1), 0, x, y);
  return next;
}

export function withoutVertex(rings, r, vertex) {
  const next = rings.map((ring) => ring.slice());
  next[r].splice(2 * vertex, 2);
  const left = next.filter((ring) => ring.length >= 6);
  return left.length > 0 ? left : null;
}

/** Rings shifted by (dx, dy), kept in the photo. */
export function movedRings(rings, dx, dy, width, height) {
  const [x, y, w, h] = ringsBox(rings);
  const sx = clamp(dx, -x, width - x - w), sy = clamp(dy, -y, height - y - h);
  return rings.map((ring) => ring.map((value, i) => tenth(value + (i % 2 === 0 ? sx : sy))));
}
