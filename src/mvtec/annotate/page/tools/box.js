// The box tool: drag, or set two corners with the crosshair. `dragBox` also serves SAM's box.

import { drawn, boxGeometry } from "../photo/annotation.js";
import { app, on } from "../app.js";
import { boxBetween } from "../canvas/geometry.js";
import { colourOf, css } from "../canvas/palette.js";
import { say } from "../panels/message.js";
import { invalidate, view } from "../canvas/stage.js";
import { idleTool } from "./idle-tool.js";

/** A smaller drag, in CSS pixels, was a click. */
const LEAST = 4;

/**
 * @param {(bbox: number[]) => void} done gets `[x, y, w, h]` in photo pixels
 * @param {{dashed: boolean}} look
 * @returns {import("./tools.js").Tool}
 */
export function dragBox(done, { dashed }) {
  let start = null, end = null, pointer = null;
  const tool = {
    ...idleTool(),
    holds: () => start !== null,
    down(point) {
      start = end = point;
      invalidate("live");
    },
    move(point) {
      end = point;
      invalidate("live");
    },
    up(point) {
      if (!start) return;
      const from = start;
      start = end = null;
      invalidate("live");
      const { width, height } = app.photo;
      const bbox = boxBetween(from, point, width, height);
      const small = Math.max(bbox[2], bbox[3]) * view.scale < LEAST;
      if (small || bbox[2] === 0 || bbox[3] === 0) return;
      done(bbox);
    },
    hover(point) {
      pointer = point;
      invalidate("live");
    },
    leave() {
      pointer = null;
      invalidate("live");
    },
    cancel() {
      const had = start !== null;
      start = end = null;
      invalidate("live");
      return had;
    },
    paint(context) {
      if (start) paintBand(context, start, end, dashed);
      else if (pointer) paintGuides(context, pointer);
    },
  };
  // A box that was begun belongs to its photo.
  on("photo", () => tool.cancel());
  return tool;
}

function paintBand(context, start, end, dashed) {
  const { width, height } = app.photo;
  const [x, y, w, h] = boxBetween(start, end, width, height);
  const { sx, sy } = view.toStage(x, y);
  const rgb = colourOf(app.categoryId);
  context.fillStyle = css(rgb, 0.12);
  context.fillRect(sx, sy, w * view.scale, h * view.scale);
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0, 0, 0, 0.55)";
  context.strokeRect(sx, sy, w * view.scale, h * view.scale);
  context.setLineDash(dashed ? [6, 4] : []);
  context.lineWidth = 1.5;
  context.strokeStyle = css(rgb);
  context.strokeRect(sx, sy, w * view.scale, h * view.scale);
  context.setLineDash([]);
}

// Long thin lines through the pointer, so that the edge of a defect can be met.
function paintGuides(context, { sx, sy, coarse }) {
  if (coarse) return;
  context.beginPath();
  context.moveTo(0, sy + 0.5);
  context.lineTo(view.width, sy + 0.5);
  context.moveTo(sx + 0.5, 0);
  context.lineTo(sx + 0.5, view.height);
  context.lineWidth = 1;
  context.strokeStyle = "rgba(0, 0, 0, 0.5)";
  context.stroke();
  context.setLineDash([4, 4]);
  context.strokeStyle = "rgba(255, 255, 255, 0.8)";
  context.stroke();
  context.setLineDash([]);
}

export const box = dragBox((bbox) => {
  if (app.categoryId === null) {
    say("Add a class first.");
    return;
  }
  app.photo.add("box drawn", drawn(app.categoryId, boxGeometry(bbox)));
}, { dashed: false });
