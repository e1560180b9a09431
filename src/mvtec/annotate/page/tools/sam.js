// SAM: a box or points become a proposed mask, dashed until it is accepted.

import { geometryOf, newKey } from "../photo/annotation.js";
import { api } from "../api.js";
import { app, on, whileBusy } from "../app.js";
import { clamp } from "../canvas/geometry.js";
import { paintHandle } from "../canvas/paint.js";
import { say } from "../panels/message.js";
import { invalidate, view } from "../canvas/stage.js";
import { idleTool } from "./idle-tool.js";
import { dragBox } from "./box.js";

/** The server answers one question at a time, and keeps one of a page waiting: the others wait here. */
let isAsked = false;
/** Those that wait for their turn. @type {(() => void)[]} */
const line = [];

/**
 * Asks SAM about a photo.
 * @param {import("../photo/open-photo.js").OpenPhoto} photo
 * @param {number[] | null} bbox
 * @param {object[]} points
 * @param {() => boolean} isWanted is it still to be asked, when its turn comes?
 * @returns {Promise<object | null>} null where it was not asked any more
 */
async function answerTo(photo, bbox, points, isWanted = () => true) {
  if (isAsked) await new Promise((resolve) => line.push(() => resolve()));
  isAsked = true;
  try {
    return isWanted() ? await api.sam(app.queue.client, photo.id, bbox, points) : null;
  } finally {
    const next = line.shift();
    if (next) next();
    else isAsked = false;
  }
}

/** Where the answer belongs, when that is not the photo that is looked at. */
function onWhich(photo) {
  return photo === app.photo ? "" : ` on ${photo.name}`;
}

function proposalOf(answer, category_id, attributes) {
  const { predicted_iou, stability, model } = answer;
  // SAM answers with pixels; a simplified polygon would lose some.
  const geometry = geometryOf({ ...answer, polygon: null });
  return {
    key: newKey(), category_id, geometry, score: null, proposed: true,
    attributes: { source: "sam", reviewed: false, predicted_iou, stability, model, ...attributes },
  };
}

async function askForBox(bbox) {
  const { photo, categoryId } = app;
  if (categoryId === null) {
    say("Add a class first.");
    return;
  }
  waiting.set(bbox, photo);
  invalidate("live");
  try {
    const answer = await photo.whileAsked(whileBusy(answerTo(photo, bbox, [])));
    photo.add("SAM's mask", proposalOf(answer, categoryId, { prompt_bbox: bbox }));
    say(`SAM proposes a mask${onWhich(photo)}, predicted IoU ${answer.predicted_iou.toFixed(2)}. A accepts, X rejects.`);
  } catch (error) {
    say(`SAM${onWhich(photo)}: ${error.message}`);
  } finally {
    waiting.delete(bbox);
    invalidate("live");
  }
}

/** Boxes that SAM has not answered yet, with their photo. */
const waiting = new Map();

function paintWaiting(context) {
  for (const [[x, y, w, h], photo] of waiting) {
    if (photo !== app.photo) continue;
    const { sx, sy } = view.toStage(x, y);
    context.setLineDash([2, 4]);
    context.lineWidth = 2;
    context.strokeStyle = "#fff";
    context.strokeRect(sx, sy, w * view.scale, h * view.scale);
    context.setLineDash([]);
  }
}

const rubberBand = dragBox(askForBox, { dashed: true });

export const samBox = {
  ...rubberBand,
  paint(context) {
    rubberBand.paint(context);
    paintWaiting(context);
  },
};

/** The points set so far: {photo, class, key of the proposal, points, asked: number of the last question}. */
let prompt = null;

function begin() {
  prompt = { photo: app.photo, categoryId: app.categoryId, key: null, points: [], asked: 0, answered: 0 };
}

async function ask() {
  const mine = prompt;
  mine.asked += 1;
  const question = mine.asked;
  // Only the answer to the newest question counts.
  const isNewest = () => question === mine.asked && mine === prompt;
  try {
    const answer = await mine.photo.whileAsked(whileBusy(answerTo(mine.photo, null, mine.points, isNewest)));
    if (!isNewest()) return;
    mine.answered = question;
    const proposal = proposalOf(answer, mine.categoryId, { prompt_points: mine.points.map(({ x, y, positive }) => [x, y, positive ? 1 : 0]) });
    // A new key: a second answer of SAM is another proposal, and not one that a person has edited.
    const { photo } = mine, old = photo.find(mine.key);
    mine.key = proposal.key;
    photo.selection = new Set([mine.key]);
    const others = photo.annotations.filter((annotation) => annotation !== old);
    photo.change("SAM's mask", { annotations: [...others, old ? { ...proposal, category_id: old.category_id } : proposal] });
    say(`SAM, ${mine.points.length} of your points: predicted IoU ${answer.predicted_iou.toFixed(2)}. A accepts, X rejects.`);
  } catch (error) {
    if (isNewest()) say(`SAM: ${error.message}`);
  }
}

function forget() {
  const had = prompt !== null;
  prompt = null;
  invalidate("live");
  return had;
}

/** Has the press that is under way set a point? */
let placed = false;

function takeBack() {
  if (!prompt) return false;
  prompt.points.pop();
  if (prompt.points.length > 0) ask();
  else {
    const { photo, key } = prompt;
    forget();
    if (photo.find(key)) photo.change("SAM's mask rejected", { annotations: photo.annotations.filter((one) => one.key !== key) });
  }
  invalidate("live");
  return true;
}

export const samPoints = {
  ...idleTool(),
  takesSecondButton: true,
  down(point) {
    if (app.categoryId === null) {
      say("Add a class first.");
      return;
    }
    if (!prompt) begin();
    if (point.negative && prompt.points.length === 0) {
      say("Begin with a point on the defect; then take away what is too much.");
      prompt = null;
      return;
    }
    const { width, height } = app.photo;
    placed = true;
    prompt.points.push({ x: clamp(point.x, 0, width), y: clamp(point.y, 0, height), positive: !point.negative });
    invalidate("live");
    ask();
  },
  up() {
    placed = false;
  },
  cancel: forget,
  release() {
    if (placed) takeBack();
    placed = false;
  },
  remove: takeBack,
  // A point without an answer is the last that was done.
  undo: () => prompt !== null && prompt.answered < prompt.asked && takeBack(),
  paint(context) {
    if (!prompt || prompt.photo !== app.photo) return;
    for (const { x, y, positive } of prompt.points) {
      const { sx, sy } = view.toStage(x, y);
      paintHandle(context, sx, sy, { round: true, colour: positive ? "#35c48a" : "#ff5a4d" });
      context.fillStyle = "#10141a";
      context.fillRect(sx - 2.5, sy - 0.75, 5, 1.5);
      if (positive) context.fillRect(sx - 0.75, sy - 2.5, 1.5, 5);
    }
  },
};

on("photo tool", forget);
// The points end with their proposal: accepted, rejected, or undone.
on("change", () => {
  if (prompt?.key && app.photo === prompt.photo && !prompt.photo.find(prompt.key)?.proposed) forget();
});
