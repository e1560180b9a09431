// Drawing by keyboard: a crosshair that the arrow keys move and Enter presses.

import { app, on } from "../app.js";
import { byId } from "../dom.js";
import { clamp } from "./geometry.js";
import { say } from "../panels/message.js";
import { invalidate, view, viewChanged } from "./stage.js";
import { currentTool } from "../tools/tools.js";

/** Its place in photo pixels; null while it is not used. */
let place = null;
/** The tool that holds something. @type {import("../tools/tools.js").Tool | null} */
let pressed = null;

export function crosshairActive() {
  return place !== null;
}

function pointHere(event) {
  return {
    ...place, ...view.toStage(place.x, place.y), slack: 8 / view.scale,
    negative: event.altKey || app.options.negative, alt: false, shift: event.shiftKey, coarse: false,
  };
}

/** @param {KeyboardEvent} event of an arrow key; Shift makes bigger steps */
export function moveCrosshair(event) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const { width, height } = app.photo;
  if (!place) {
    const middle = view.toPhoto(view.width / 2, view.height / 2);
    place = { x: clamp(Math.round(middle.x), 0, width), y: clamp(Math.round(middle.y), 0, height) };
    say("Crosshair shown. Enter sets a corner or point, Escape puts it away.");
  } else {
    const step = Math.max(1, Math.round(2 / view.scale)) * (event.shiftKey ? 10 : 1);
    place = { x: clamp(place.x + dx * step, 0, width), y: clamp(place.y + dy * step, 0, height) };
  }
  if (view.reveal(place.x, place.y)) viewChanged();
  const point = pointHere(event);
  if (pressed) pressed.move(point, [point]);
  else currentTool().hover(point);
  byId("place").textContent = `${Math.round(place.x)}, ${Math.round(place.y)}`;
  invalidate("live");
}

/** Enter: presses, and where the tool then holds something the next Enter lets go. */
export function pressCrosshair(event) {
  const tool = currentTool(), point = pointHere(event);
  if (!app.photo?.usable || app.tool === "pan") return;
  if (pressed) {
    const held = pressed;
    pressed = null;
    held.up(point);
  } else {
    tool.down(point);
    pressed = tool.holds() ? tool : null;
    if (pressed) say("Held. The arrow keys move, Enter lets go.");
    else tool.up(point);
  }
  invalidate("live");
}

/** @returns {boolean} was there one? */
export function hideCrosshair() {
  const had = place !== null;
  const held = pressed;
  place = null;
  pressed = null;
  held?.cancel();
  byId("place").textContent = "";
  if (had) invalidate("live");
  return had;
}

/** @param {CanvasRenderingContext2D} context */
export function paintCrosshair(context) {
  if (!place) return;
  const { sx, sy } = view.toStage(place.x, place.y);
  for (const [colour, width] of [["rgba(0, 0, 0, 0.8)", 4], [pressed ? "#ffd54a" : "#fff", 1.5]]) {
    context.beginPath();
    context.moveTo(sx - 18, sy);
    context.lineTo(sx - 4, sy);
    context.moveTo(sx + 4, sy);
    context.lineTo(sx + 18, sy);
    context.moveTo(sx, sy - 18);
    context.lineTo(sx, sy - 4);
    context.moveTo(sx, sy + 4);
    context.lineTo(sx, sy + 18);
    context.lineWidth = Number(width);
    context.strokeStyle = String(colour);
    context.stroke();
  }
}

export function startCrosshair() {
  byId("canvas").addEventListener("pointermove", (event) => {
    // A canvas that moves under a resting mouse is no sign that the mouse is used.
    if (event.movementX !== 0 || event.movementY !== 0) hideCrosshair();
  });
  on("tool photo", hideCrosshair);
}
