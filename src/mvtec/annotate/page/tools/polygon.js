// The polygon tool: a click for each vertex; the first vertex, a double click or Enter closes it.

import { drawn, polygonGeometry } from "../photo/annotation.js";
import { app, on } from "../app.js";
import { clamp, tenth } from "../canvas/geometry.js";
import { paintHandle } from "../canvas/paint.js";
import { colourOf, css } from "../canvas/palette.js";
import { say } from "../panels/message.js";
import { invalidate, view } from "../canvas/stage.js";
import { idleTool } from "./idle-tool.js";

let ring = [];
let pointer = null;
/** Has the press that is under way set a vertex? */
let placed = false;

function isNear(point, x, y) {
  return Math.hypot(point.x - x, point.y - y) <= point.slack;
}

function close() {
  if (ring.length < 6) {
    say("A polygon needs three vertices.");
    return;
  }
  const polygonRing = ring;
  ring = [];
  invalidate("live");
  app.photo.add("polygon drawn", drawn(app.categoryId, polygonGeometry([polygonRing])));
}

function takeBack() {
  if (ring.length === 0) return false;
  ring = ring.slice(0, -2);
  invalidate("live");
  return true;
}

export const polygon = {
  ...idleTool(),
  down(point) {
    if (app.categoryId === null) {
      say("Add a class first.");
      return;
    }
    const n = ring.length;
    const again = n >= 2 && isNear({ ...point, slack: point.slack / 2 }, ring[n - 2], ring[n - 1]);
    if (n >= 6 && (again || isNear(point, ring[0], ring[1]))) {
      close();
      return;
    }
    if (again) return;
    placed = true;
    ring.push(tenth(clamp(point.x, 0, app.photo.width)), tenth(clamp(point.y, 0, app.photo.height)));
    pointer = point;
    invalidate("live");
  },
  up() {
    placed = false;
  },
  hover(point) {
    pointer = point;
    if (ring.length > 0) invalidate("live");
  },
  move(point) {
    this.hover(point);
  },
  cancel() {
    const had = ring.length > 0;
    ring = [];
    invalidate("live");
    return had;
  },
  release() {
    if (placed) takeBack();
    placed = false;
  },
  unfinished: () => (ring.length > 0 ? "The polygon is not closed: Enter closes it, Escape gives it up." : ""),
  enter() {
    if (ring.length === 0) return false;
    close();
    return true;
  },
  remove: takeBack,
  undo: takeBack,
  paint(context) {
    if (ring.length === 0) return;
    const places = [];
    for (let i = 0; i < ring.length; i += 2) places.push(view.toStage(ring[i], ring[i + 1]));
    const rgb = colourOf(app.categoryId);
    context.beginPath();
    for (const { sx, sy } of places) context.lineTo(sx, sy);
    if (pointer) {
      const { sx, sy } = view.toStage(pointer.x, pointer.y);
      context.lineTo(sx, sy);
    }
    context.fillStyle = css(rgb, 0.15);
    context.fill();
    context.lineWidth = 3.5;
    context.strokeStyle = "rgba(0, 0, 0, 0.55)";
    context.stroke();
    context.lineWidth = 1.5;
    context.strokeStyle = css(rgb);
    context.stroke();
    const closes = pointer && ring.length >= 6 && isNear(pointer, ring[0], ring[1]);
    places.forEach(({ sx, sy }, i) => paintHandle(context, sx, sy, { round: true, active: i === 0 && closes }));
  },
};

// A polygon that was begun belongs to its photo and its tool.
on("photo tool", () => {
  if (polygon.cancel()) say("The polygon was not closed: it is given up.");
});
