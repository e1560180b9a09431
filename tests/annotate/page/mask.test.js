// Run lengths, brush strokes, outlines and boxes, against what pycocotools says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inPolygon, ringsArea, ringsBox } from "../../../src/mvtec/annotate/page/canvas/geometry.js";
import { contours } from "../../../src/mvtec/annotate/page/mask/contours.js";
import { extent } from "../../../src/mvtec/annotate/page/mask/crop.js";
import { stamp } from "../../../src/mvtec/annotate/page/mask/raster.js";
import { areaOf, decode, encode } from "../../../src/mvtec/annotate/page/mask/rle.js";

const { masks, strokes, polygons } = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8"));

function signedArea(ring) {
  let twice = 0;
  for (let i = 0; i < ring.length; i += 2) {
    const j = (i + 2) % ring.length;
    twice += ring[i] * ring[j + 1] - ring[j] * ring[i + 1];
  }
  return twice / 2;
}

for (const { name, height, width, counts, area, bbox } of masks) {
  test(`mask ${name}: run lengths, area and box are those of pycocotools`, () => {
    const crop = decode(counts, height);
    assert.deepEqual(encode(crop, height, width), counts);
    assert.equal(areaOf(counts), area);
    assert.deepEqual(extent(crop), { bbox, area });
    assert.deepEqual([crop.x, crop.y, crop.w, crop.h], bbox);
  });
  test(`mask ${name}: the outline encloses its pixels, without the holes`, () => {
    const rings = contours(decode(counts, height));
    assert.equal(rings.reduce((sum, ring) => sum + signedArea(ring), 0), area);
    if (area > 0) assert.deepEqual(ringsBox(rings), bbox);
  });
}

for (const { segment, height, width, counts } of strokes) {
  test(`stroke ${JSON.stringify(segment)}: its pixels, and no other`, () => {
    const crop = { x: 0, y: 0, w: width, h: height, data: new Uint8Array(width * height) };
    stamp(crop, segment, 1);
    assert.deepEqual(encode(crop, height, width), counts);
    stamp(crop, segment, 0);
    assert.equal(extent(crop).area, 0);
  });
}

for (const { ring, area, bbox, pixels } of polygons) {
  test(`polygon ${ring}: area, box and pixels are those of pycocotools`, () => {
    assert.equal(ringsArea([ring]), area);
    assert.deepEqual(ringsBox([ring]), bbox);
    const inside = [];
    for (let y = 0; y < 12; y += 1) {
      for (let x = 0; x < 16; x += 1) if (inPolygon([ring], x + 0.5, y + 0.5)) inside.push([x, y]);
    }
    assert.deepEqual(inside, pixels);
  });
}
