// Boxes and polygons that are dragged: each stays within the photo.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boxBetween, boxHandles, draggedBox, edgeAt, movedRings, vertexAt, withNewVertex, withoutVertex, withVertex,
} from "../../../src/mvtec/annotate/page/canvas/geometry.js";

const SQUARE = [[10, 10, 20, 10, 20, 20, 10, 20]];

test("a box between two corners is cut to the photo", () => {
  assert.deepEqual(boxBetween({ x: 30, y: -5 }, { x: 10.04, y: 8 }, 25, 40), [10, 0, 15, 8]);
});

test("a box has eight handles at its corners and the middles of its sides", () => {
  const places = boxHandles([10, 20, 4, 6]).map(({ name, x, y }) => `${name} ${x} ${y}`);
  assert.deepEqual(places, ["nw 10 20", "n 12 20", "ne 14 20", "w 10 23", "e 14 23", "sw 10 26", "s 12 26", "se 14 26"]);
});

test("a handle moves its sides, and move keeps the size", () => {
  assert.deepEqual(draggedBox([10, 10, 5, 5], "se", 3, 2, 100, 100), [10, 10, 8, 7]);
  assert.deepEqual(draggedBox([10, 10, 5, 5], "w", 8, 0, 100, 100), [15, 10, 3, 5]);
  assert.deepEqual(draggedBox([10, 10, 5, 5], "move", 200, -200, 100, 100), [95, 0, 5, 5]);
});

test("the nearest vertex and edge are found within the distance", () => {
  assert.deepEqual(vertexAt(SQUARE, 19, 11, 2), { ring: 0, vertex: 1 });
  assert.equal(vertexAt(SQUARE, 15, 15, 2), null);
  assert.deepEqual(edgeAt(SQUARE, 15, 19, 2), { ring: 0, vertex: 2 });
  assert.deepEqual(edgeAt(SQUARE, 10.5, 15, 2), { ring: 0, vertex: 3 });
});

test("vertices are moved, added and removed in a copy", () => {
  assert.deepEqual(withVertex(SQUARE, 0, 1, 30, 5)[0].slice(2, 4), [30, 5]);
  assert.deepEqual(withNewVertex(SQUARE, 0, 0, 15, 8)[0].slice(0, 6), [10, 10, 15, 8, 20, 10]);
  assert.deepEqual(withoutVertex(SQUARE, 0, 0), [[20, 10, 20, 20, 10, 20]]);
  assert.equal(withoutVertex([[0, 0, 1, 0, 1, 1]], 0, 2), null);
  assert.deepEqual(SQUARE, [[10, 10, 20, 10, 20, 20, 10, 20]]);
});

test("rings that are moved stay in the photo", () => {
  assert.deepEqual(movedRings(SQUARE, 50, -50, 40, 40), [[30, 0, 40, 0, 40, 10, 30, 10]]);
});
