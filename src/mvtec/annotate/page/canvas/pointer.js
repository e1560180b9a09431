// Mouse, pen and fingers on the stage: what pans and zooms, and what is the tool's.

import { app, on } from "../app.js";
import { byId } from "../dom.js";
import { isMeant } from "../photo/marks.js";
import { press, setPress } from "./press.js";
import { invalidate, view, viewChanged } from "./stage.js";
import { currentTool, eraser } from "../tools/tools.js";

const canvas = () => byId("canvas");
/** Fingers on the stage, by pointer id, in CSS pixels of the stage. */
const fingers = new Map();
let pinch = null;
let spaceHeld = false;
/** Where the stage is in the window: a banner that comes moves it. */
let origin = { left: 0, top: 0 };

const PEN_ERASER = 32;
const SECOND_BUTTON = 2;
const MIDDLE_BUTTON = 4;

/** @returns {import("../tools/tools.js").Point} */
function pointOf(event) {
  const sx = event.clientX - origin.left, sy = event.clientY - origin.top;
  const second = (event.buttons & SECOND_BUTTON) !== 0 || event.button === 2;
  const coarse = event.pointerType === "touch";
  return {
    ...view.toPhoto(sx, sy), sx, sy,
    slack: (coarse ? 18 : 8) / view.scale,
    negative: second || event.altKey || app.options.negative,
    alt: event.altKey,
    shift: event.shiftKey || app.options.several,
    coarse,
  };
}

function locate() {
  const { left, top } = canvas().getBoundingClientRect();
  origin = { left, top };
}

function down(event) {
  locate();
  canvas().focus({ preventScroll: true });
  event.preventDefault();
  if (event.pointerType === "touch") {
    const { sx, sy } = pointOf(event);
    fingers.set(event.pointerId, { sx, sy });
    if (fingers.size === 2) {
      startPinch();
      return;
    }
  }
  if (press || !app.photo || !isMeant()) return;
  canvas().setPointerCapture(event.pointerId);
  const point = pointOf(event);
  if (spaceHeld || app.tool === "pan" || (event.buttons & MIDDLE_BUTTON) !== 0) {
    setPress({ pointer: event.pointerId, pan: { sx: point.sx, sy: point.sy } });
    canvas().classList.add("panning");
    return;
  }
  const tool = (event.buttons & PEN_ERASER) !== 0 ? eraser : currentTool();
  if ((event.buttons & SECOND_BUTTON) !== 0 && !tool.takesSecondButton) return;
  if (!app.photo.usable) return;
  setPress({ pointer: event.pointerId, tool });
  tool.down(point);
}

function move(event) {
  locate();
  if (fingers.has(event.pointerId)) {
    const { sx, sy } = pointOf(event);
    fingers.set(event.pointerId, { sx, sy });
    if (pinch) {
      movePinch();
      return;
    }
  }
  if (press && press.pointer !== event.pointerId) return;
  const point = pointOf(event);
  if (press?.pan) {
    view.pan(point.sx - press.pan.sx, point.sy - press.pan.sy);
    press.pan = { sx: point.sx, sy: point.sy };
    viewChanged();
  } else if (press) {
    // All that the pen reported since the last event, not only where it is now: fast strokes stay round.
    const events = event.getCoalescedEvents?.() ?? [];
    press.tool.move(point, events.length > 0 ? events.map(pointOf) : [point]);
  } else if (app.photo) {
    currentTool().hover(point);
  }
}

function up(event) {
  locate();
  fingers.delete(event.pointerId);
  if (pinch) {
    if (fingers.size < 2) pinch = null;
    return;
  }
  if (!press || press.pointer !== event.pointerId) return;
  const { tool } = press;
  setPress(null);
  canvas().classList.remove("panning");
  if (tool) tool.up(pointOf(event));
}

function lost(event) {
  fingers.delete(event.pointerId);
  if (fingers.size < 2) pinch = null;
  if (press?.pointer !== event.pointerId) return;
  press.tool?.release();
  setPress(null);
  canvas().classList.remove("panning");
}

function startPinch() {
  // The first finger was the beginning of a pinch and no stroke.
  press?.tool?.release();
  setPress(null);
  pinch = measurePinch();
}

function measurePinch() {
  const [a, b] = [...fingers.values()];
  return { sx: (a.sx + b.sx) / 2, sy: (a.sy + b.sy) / 2, apart: Math.max(1, Math.hypot(a.sx - b.sx, a.sy - b.sy)) };
}

function movePinch() {
  const next = measurePinch();
  view.pan(next.sx - pinch.sx, next.sy - pinch.sy);
  view.zoom(next.apart / pinch.apart, next.sx, next.sy);
  pinch = next;
  viewChanged();
}

function wheel(event) {
  event.preventDefault();
  locate();
  const lines = event.deltaMode === 1 ? 33 : 1;
  // A pinch on a touch pad comes as a wheel with Ctrl and small steps.
  const speed = event.ctrlKey ? 0.01 : 0.0018;
  view.zoom(Math.exp(-event.deltaY * lines * speed), event.clientX - origin.left, event.clientY - origin.top);
  viewChanged();
}

/** Is the space bar held? Then dragging pans. */
export function holdSpace(held) {
  spaceHeld = held;
  canvas().classList.toggle("can-pan", held || app.tool === "pan");
}

export function startPointer() {
  const target = canvas();
  target.addEventListener("pointerdown", down);
  target.addEventListener("pointermove", move);
  target.addEventListener("pointerup", up);
  target.addEventListener("pointercancel", lost);
  target.addEventListener("lostpointercapture", lost);
  target.addEventListener("pointerleave", () => {
    if (!press) currentTool().leave();
  });
  target.addEventListener("wheel", wheel, { passive: false });
  target.addEventListener("contextmenu", (event) => event.preventDefault());
  // The middle button would start the browser's own scrolling.
  target.addEventListener("mousedown", (event) => event.preventDefault());
  on("tool", () => {
    holdSpace(false);
    invalidate("live");
  });
}
