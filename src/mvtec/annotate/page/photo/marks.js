// Marks of a photo: no defect, done, good, reviewed, unsure; going on to the next photo, and the way back.

import { mark, undo } from "./actions.js";
import { app, on } from "../app.js";
import { byId } from "../dom.js";
import { cameUnasked, goBy, isOpening, leave, list, open } from "./navigate.js";
import { handsBusy } from "../canvas/press.js";
import { say } from "../panels/message.js";
import { currentTool } from "../tools/tools.js";

/**
 * Photos that were marked before the next one was opened, the newest last. at: the time of the mark in the photo's history.
 * @type {{photo: import("./open-photo.js").OpenPhoto, at: number}[]}
 */
const marks = [];
/** The one of them that the message is about. */
let shown = null;

/** Is nothing half done on this photo? If something is, says what: it would be lost, or come after the photo is left. */
function isFinished() {
  const asked = app.photo?.asked > 0 ? "The answer about this photo has not come yet." : "";
  const unseen = app.photo && !app.photo.usable ? "This photo cannot be shown, so nobody has seen it: U marks it unsure, . goes on." : "";
  const words = currentTool().unfinished() || (handsBusy() ? "Let go of what you hold first." : asked) || unseen;
  if (words) say(words);
  return words === "";
}

/** Is the photo that is shown the one that was asked for? If not, says so. */
function isThere() {
  if (isOpening()) say("The next photo is still coming.");
  return !isOpening();
}

/** @param {"good" | "reviewed"} state */
export function markFinished(state) {
  if (isThere() && (app.photo?.state === state || isFinished())) mark(state);
}

export function markUnsure() {
  if (isThere()) mark("unsure");
}

/** Marks the photo good, which is one without a defect, and opens the next. */
export async function noDefectAndNext() {
  if (!isThere() || !isFinished()) return;
  const { photo } = app;
  if (!photo) return;
  if (photo.state !== "good") {
    mark("good");
    // `mark` may refuse, and TypeScript does not see that it changes the state.
    if (/** @type {string | null} */ (photo.state) !== "good") return;
    remember(photo, "no defect");
  }
  await goBy(1);
}

/** Marks a photo with labels reviewed, and opens the next. Without labels it asks: no label is not yet no defect. */
export async function doneAndNext() {
  if (!isThere() || !isFinished()) return;
  const { photo } = app;
  if (!photo) {
    await goBy(1);
    return;
  }
  if (photo.proposals.length > 0) {
    // Accepting what nobody has looked at would make a label of each false alarm.
    photo.select([photo.proposals[0].key]);
    say(`${photo.proposals.length} proposals are neither accepted nor rejected yet: A accepts one, X rejects it, Shift+A accepts all.`);
    return;
  }
  if (photo.annotations.length === 0) {
    if (photo.state !== "good" && photo.state !== "reviewed") {
      byId("no-defect").dataset.asked = "true";
      say("This photo has no labels. If it shows no defect, press “no defect” (Shift+G).", { lasting: true });
      return;
    }
  } else if (photo.state !== "reviewed") {
    mark("reviewed");
    remember(photo, "reviewed");
  }
  await goBy(1);
}

function remember(photo, words) {
  shown = { photo, at: photo.history.lastAt };
  marks.push(shown);
  byId("marked-text").textContent = `${photo.name.split("/").at(-1)} marked: ${words}.`;
  byId("marked").hidden = false;
}

/** The mark that can be taken back from here: it is newer than all that was done on the photo that is shown. */
function newest() {
  // What was changed since, or taken back on the photo itself, is no longer the mark.
  while (marks.length > 0 && marks.at(-1).photo.history.lastAt !== marks.at(-1).at) marks.pop();
  const found = marks.at(-1);
  return found && found.photo !== app.photo && found.at > (app.photo?.history.lastAt ?? 0) ? found : null;
}

export function canUndo() {
  return Boolean(app.photo?.history.canUndo) || newest() !== null;
}

/** Undoes what was done last, on this photo, or the mark of the photo before, which is opened again. */
export async function undoLast() {
  const found = newest();
  if (found) await leave(() => takeBack(found.photo));
  else undo();
}

async function takeBack(photo) {
  marks.pop();
  const what = photo.undo();
  await open({ id: photo.id, name: photo.name, version: photo.version }, list.indexOf(photo.id));
  say(`Undone on ${photo.name}: ${what}.`);
}

/**
 * May what was pressed now change the photo that is shown? Not where a filter has opened it under the hand.
 * @param {number | null} [pressedOn] the photo that was shown when the button went down; undefined for keys
 */
export function isMeant(pressedOn) {
  const other = pressedOn !== undefined && pressedOn !== (app.photo?.id ?? null);
  if (other || cameUnasked()) say("Another photo was opened under your hand: nothing was done. Look at it first.");
  return !other && !cameUnasked();
}

export function startMarks() {
  byId("marked-undo").addEventListener("click", undoLast);
  on("change photo", () => {
    delete byId("no-defect").dataset.asked;
    if (!shown) return;
    const isPast = shown.photo.history.lastAt !== shown.at || (app.photo !== shown.photo && app.photo?.history.lastAt > shown.at);
    if (!isPast) return;
    shown = null;
    byId("marked").hidden = true;
  });
}
