// Select: pick annotations, drag boxes, polygons and their vertices. Pan is the tool that only moves the view.

import { boxGeometry, polygonGeometry, reshaped, whyFixed } from "../photo/annotation.js";
import { app, on } from "../app.js";
import { covers } from "../mask/crop.js";
import {
  boxHandles, clamp, draggedBox, edgeAt, inBox, inPolygon, movedRings, ringsBox, tenth, vertexAt, withNewVertex, withoutVertex, withVertex,
} from "../canvas/geometry.js";
import { byId } from "../dom.js";
import { paintHandle, paintShapes } from "../canvas/paint.js";
import { cropOf } from "../mask/pictures.js";
import { say } from "../panels/message.js";
import { invalidate, lift, view } from "../canvas/stage.js";
import { CHANGED_MEANWHILE, idleTool } from "./idle-tool.js";

/** A press that moves less than this, in CSS pixels, is a click. */
const LEAST_MOVE = 4;

/** {annotation, start, moved, shape: (dx, dy) => Geometry, what, geometry} */
let drag = null;
/** The vertex that Delete takes out: {key, ring, vertex, geometry: the shape it is of}. */
let active = null;

function contains({ geometry }, { x, y, slack }) {
  if (geometry.kind === "polygon") return inPolygon(geometry.polygon, x, y) || edgeAt(geometry.polygon, x, y, slack) !== null;
  if (geometry.kind === "box") return inBox(geometry.bbox, x, y);
  const crop = cropOf(geometry.counts, app.photo.height), reach = slack / 2;
  // A scratch one pixel wide can be hit too.
  return [[0, 0], [reach, 0], [-reach, 0], [0, reach], [0, -reach]].some(([dx, dy]) => covers(crop, x + dx, y + dy));
}

/** Annotations under a place, the smallest first: what lies inside another can be reached. */
function hits(point) {
  return app.photo.annotations.filter((annotation) => contains(annotation, point)).sort((a, b) => a.geometry.area - b.geometry.area);
}

function onlySelected() {
  const { selected } = app.photo ?? { selected: [] };
  return selected.length === 1 ? selected[0] : null;
}

function grabBox(annotation, point) {
  const { bbox } = annotation.geometry, { width, height } = app.photo;
  const near = boxHandles(bbox).find(({ x, y }) => Math.abs(x - point.x) <= point.slack && Math.abs(y - point.y) <= point.slack);
  const handle = near?.name ?? (inBox(bbox, point.x, point.y) ? "move" : null);
  if (!handle) return false;
  drag = {
    annotation, start: point, moved: false, what: handle === "move" ? "box moved" : "box resized",
    shape: (dx, dy) => boxGeometry(draggedBox(bbox, handle, dx, dy, width, height)),
    click: handle === "move" ? () => pick(point) : null,
  };
  return true;
}

function grabPolygon(annotation, point) {
  const { polygon } = annotation.geometry, { width, height } = app.photo;
  const within = (x, y) => [tenth(clamp(x, 0, width)), tenth(clamp(y, 0, height))];
  const vertex = vertexAt(polygon, point.x, point.y, point.slack);
  if (vertex) {
    active = { key: annotation.key, ...vertex, geometry: annotation.geometry };
    if (point.alt) {
      removeVertex(annotation);
      return true;
    }
    const x = polygon[vertex.ring][2 * vertex.vertex], y = polygon[vertex.ring][2 * vertex.vertex + 1];
    drag = {
      annotation, start: point, moved: false, what: "vertex moved", click: null,
      shape: (dx, dy) => polygonGeometry(withVertex(polygon, vertex.ring, vertex.vertex, ...within(x + dx, y + dy))),
    };
    return true;
  }
  const edge = edgeAt(polygon, point.x, point.y, point.slack * 0.75);
  if (edge) {
    active = { key: annotation.key, ring: edge.ring, vertex: edge.vertex + 1, geometry: annotation.geometry };
    const shape = (dx, dy) =>
      polygonGeometry(withNewVertex(polygon, edge.ring, edge.vertex, ...within(point.x + dx, point.y + dy)));
    drag = { annotation, start: point, moved: true, what: "vertex added", click: null, shape, geometry: shape(0, 0) };
    return true;
  }
  if (!inPolygon(polygon, point.x, point.y)) return false;
  drag = {
    annotation, start: point, moved: false, what: "polygon moved", click: () => pick(point),
    shape: (dx, dy) => polygonGeometry(movedRings(polygon, dx, dy, width, height)),
  };
  return true;
}

function removeVertex(annotation) {
  const rings = withoutVertex(annotation.geometry.polygon, active.ring, active.vertex);
  active = null;
  if (!rings) {
    say("A polygon needs three vertices. Delete the label to remove it whole.");
    return;
  }
  app.photo.replace("vertex deleted", reshaped(annotation, polygonGeometry(rings)));
}

// A second click on the same place picks what lies underneath.
function pick(point) {
  const found = hits(point), { photo } = app;
  active = null;
  if (point.shift) {
    if (found.length === 0) return;
    const keys = new Set(photo.selection);
    if (!keys.delete(found[0].key)) keys.add(found[0].key);
    photo.select(keys);
    return;
  }
  const at = found.findIndex(({ key }) => photo.selection.has(key));
  photo.select(found.length === 0 ? [] : [found[(at + 1) % found.length].key]);
}

export const select = {
  ...idleTool(),
  down(point) {
    drag = null;
    const annotation = onlySelected();
    if (annotation && !point.shift) {
      const { kind } = annotation.geometry, words = whyFixed(annotation);
      if (words && inBox(annotation.geometry.bbox, point.x, point.y)) say(words);
      if (kind === "box" && !words && grabBox(annotation, point)) return;
      if (kind === "polygon" && grabPolygon(annotation, point)) {
        invalidate("live");
        return;
      }
    }
    pick(point);
  },
  move(point) {
    if (!drag) return;
    const dx = point.x - drag.start.x, dy = point.y - drag.start.y;
    if (!drag.moved && Math.hypot(dx, dy) * view.scale < LEAST_MOVE) return;
    if (!drag.geometry) lift([drag.annotation.key]);
    drag.moved = true;
    drag.geometry = drag.shape(dx, dy);
    invalidate("live");
  },
  up() {
    if (!drag) return;
    const { annotation, geometry, what, click } = drag;
    drag = null;
    lift([]);
    const empty = geometry && (geometry.bbox[2] === 0 || geometry.bbox[3] === 0);
    if (!geometry || empty) click?.();
    else if (app.photo.find(annotation.key) === annotation) {
      if (active?.key === annotation.key) active.geometry = geometry;
      app.photo.replace(what, reshaped(annotation, geometry));
    } else say(CHANGED_MEANWHILE);
  },
  hover(point) {
    const annotation = onlySelected();
    let cursor = "";
    if (annotation?.geometry.kind === "box") {
      const near = boxHandles(annotation.geometry.bbox).find(({ x, y }) => Math.hypot(x - point.x, y - point.y) <= point.slack);
      if (near) cursor = `${near.name}-resize`;
      else if (inBox(annotation.geometry.bbox, point.x, point.y)) cursor = "move";
    } else if (annotation?.geometry.kind === "polygon") {
      const { polygon } = annotation.geometry;
      if (vertexAt(polygon, point.x, point.y, point.slack)) cursor = "grab";
      else if (edgeAt(polygon, point.x, point.y, point.slack * 0.75)) cursor = "copy";
      else if (inPolygon(polygon, point.x, point.y)) cursor = "move";
    }
    if (!cursor && hits(point).length > 0) cursor = "pointer";
    byId("canvas").style.cursor = cursor;
  },
  leave() {
    byId("canvas").style.cursor = "";
  },
  // By keyboard a handle or vertex is picked up and put down; a click inside only selects.
  holds: () => drag !== null && drag.click === null,
  cancel() {
    const had = drag !== null;
    if (drag?.what === "vertex added") active = null;
    drag = null;
    lift([]);
    return had;
  },
  remove() {
    const annotation = onlySelected();
    if (!active || annotation?.key !== active.key || annotation.geometry !== active.geometry) return false;
    removeVertex(annotation);
    return true;
  },
  paint(context) {
    const annotation = onlySelected();
    if (!annotation || app.options.hidden) return;
    const shown = drag?.geometry ? { ...annotation, geometry: drag.geometry } : annotation;
    if (drag?.geometry) {
      const alone = { annotations: [shown], height: app.photo.height, selection: new Set([shown.key]) };
      paintShapes(context, alone, view, { ...app.options, lifted: new Set() });
    }
    paintHandles(context, shown);
  },
};

function paintHandles(context, { key, geometry }) {
  const isActive = active?.key === key && (drag !== null || active.geometry === geometry);
  if (geometry.kind === "box") {
    for (const { x, y } of boxHandles(geometry.bbox)) {
      const { sx, sy } = view.toStage(x, y);
      paintHandle(context, sx, sy);
    }
  } else if (geometry.kind === "polygon") {
    geometry.polygon.forEach((ring, r) => {
      // Many vertices in a small place: large handles would hide the defect.
      const [, , w, h] = ringsBox([ring]), small = ((w + h) * 2 * view.scale) / (ring.length / 2) < 18;
      for (let i = 0; i < ring.length; i += 2) {
        const { sx, sy } = view.toStage(ring[i], ring[i + 1]);
        paintHandle(context, sx, sy, { round: true, small, active: isActive && active.ring === r && active.vertex === i / 2 });
      }
    });
  }
}

export const pan = idleTool();

on("tool", () => {
  byId("canvas").style.cursor = "";
});
on("photo", () => {
  active = null;
  select.cancel();
});
