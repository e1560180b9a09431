// An annotation as the page holds it, and as the server wants it.
//
// An annotation is never changed in place, except that the server's answer completes it (the pixels a polygon paints,
// the tight box of a mask, attributes). The undo history shares these objects.

import { ringsArea, ringsBox } from "../canvas/geometry.js";
import { areaOf } from "../mask/rle.js";

/**
 * @typedef {{kind: "box" | "mask" | "polygon", bbox: number[], area: number, counts: number[] | null,
 *   polygon: number[][] | null, problem?: string | null}} Geometry in photo pixels; counts of a polygon are null until the
 *   server has painted it; problem: why the server can show only the box of what it has
 * @typedef {{key: string, category_id: number, geometry: Geometry, score: number | null, attributes: object,
 *   proposed: boolean}} Annotation
 */

/** A name that no other annotation has. `randomUUID` is missing on plain http from another host. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** @returns {Geometry} */
export function boxGeometry(bbox) {
  return { kind: "box", bbox, area: Math.round(bbox[2] * bbox[3]), counts: null, polygon: null };
}

/** @returns {Geometry} */
export function maskGeometry(counts, bbox) {
  return { kind: "mask", bbox, area: areaOf(counts), counts, polygon: null };
}

/** @returns {Geometry} */
export function polygonGeometry(polygon) {
  return { kind: "polygon", bbox: ringsBox(polygon), area: ringsArea(polygon), counts: null, polygon };
}

/** The geometry in an Annotation or Shape of the server. @returns {Geometry} */
export function geometryOf({ bbox, area, counts, polygon, problem }) {
  const kind = polygon ? "polygon" : counts ? "mask" : "box";
  return { kind, bbox, area, counts: counts ?? null, polygon: polygon ?? null, problem: problem ?? null };
}

/** @returns {Annotation} */
export function fromServer(raw) {
  const { key, category_id, score, attributes, proposed } = raw;
  return { key, category_id, geometry: geometryOf(raw), score: score ?? null, attributes: attributes ?? {}, proposed };
}

/** An annotation that a person has just drawn. @returns {Annotation} */
export function drawn(category_id, geometry, attributes = { source: "person", reviewed: true }) {
  return { key: newKey(), category_id, geometry, score: null, attributes, proposed: false };
}

/** The annotation with another shape: a person did this, so it is accepted. @returns {Annotation} */
export function reshaped(annotation, geometry) {
  const attributes = { ...annotation.attributes, reviewed: true };
  if (attributes.source && attributes.source !== "person") attributes.edited = true;
  return { ...annotation, geometry, attributes, proposed: false };
}

/** Why an annotation may not be given another shape; "" where it may. Its own, of which the box is shown, would be lost. */
export function whyFixed({ geometry }) {
  return geometry.problem ? `Only the box of this label can be shown (${geometry.problem}): it can be deleted, not changed.` : "";
}

/** @returns {Annotation} */
export function accepted(annotation) {
  return { ...annotation, attributes: { ...annotation.attributes, reviewed: true }, proposed: false };
}

/** The annotation under a name of its own, with what can be seen of its shape: the rest is the server's alone. */
export function renamed(annotation) {
  const { geometry } = annotation;
  return { ...annotation, key: newKey(), geometry: geometry.problem ? boxGeometry(geometry.bbox) : geometry };
}

/** Do two lists hold the same numbers? */
export function sameNumbers(a, b) {
  if (a === b) return true;
  return Boolean(a && b) && a.length === b.length && a.every((value, i) => value === b[i]);
}

/** Do two geometries say the same to the server? */
export function sameGeometry(a, b) {
  if (a === b) return true;
  if (!a || !b || a.kind !== b.kind || Boolean(a.problem) !== Boolean(b.problem)) return false;
  if (a.kind === "box") return sameNumbers(a.bbox, b.bbox);
  if (a.kind === "mask") return sameNumbers(a.counts, b.counts);
  return a.polygon.length === b.polygon.length && a.polygon.every((ring, i) => sameNumbers(ring, b.polygon[i]));
}

function shapeOf({ kind, bbox, counts, polygon }) {
  if (kind === "box") return { kind, bbox };
  if (kind === "mask") return { kind, counts };
  return { kind, polygon };
}

/**
 * An Edit of the contract. The shape is null where all that the server may hold now is this very shape, and where only
 * the server has it whole: of a label that was deleted it still has that.
 * @param {Annotation} annotation
 * @param {(Geometry | undefined)[]} known what the server has, or will have once it has answered
 */
export function toEdit(annotation, known) {
  const { key, category_id, attributes, proposed, geometry } = annotation;
  const unchanged = known.length > 0 ? known.every((one) => sameGeometry(one, geometry)) : Boolean(geometry.problem);
  // The server is also told when an edit or a review was undone.
  const said = { ...attributes, edited: attributes.edited === true, reviewed: attributes.reviewed ?? null };
  return { key, category_id, attributes: said, proposed, shape: unchanged ? null : shapeOf(geometry) };
}
