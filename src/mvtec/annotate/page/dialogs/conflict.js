// Two people changed one photo: both versions as pictures with their lists, and who wins.

import { fromServer, renamed } from "../photo/annotation.js";
import { app, categoryName } from "../app.js";
import { byId, element } from "../dom.js";
import { openPicture } from "../photo/navigate.js";
import { paintPreview } from "../canvas/paint.js";
import { sameAnnotation } from "../photo/open-photo.js";
import { say } from "../panels/message.js";

/** Conflicts wait in line: [photo, the server's Photo]. */
const waiting = [];
/** The one whose pictures are to be seen: only this can be answered. */
let seen = null;

/** @param {import("../photo/open-photo.js").OpenPhoto} photo @param {object} current the server's Photo */
export function openConflict(photo, current) {
  waiting.push([photo, current]);
  reopenConflict();
}

/** Shows the conflict that waits longest, if one does and none is shown. */
export function reopenConflict() {
  if (waiting.length > 0 && !byId("conflict").open) show();
}

/**
 * Their labels, and those of mine that theirs do not have, under new keys where a key means two things.
 * @param {import("../photo/annotation.js").Annotation[]} mine
 * @param {import("../photo/annotation.js").Annotation[]} theirs
 */
export function union(mine, theirs) {
  const taken = new Set(theirs.map(({ key }) => key));
  const extra = mine.filter((annotation) => !theirs.some((one) => sameAnnotation(one, annotation)));
  return [...theirs, ...extra.map((annotation) => (taken.has(annotation.key) ? renamed(annotation) : annotation))];
}

/**
 * Both versions as one. A doubt of either counts; good is only what one of them calls good, and where nothing is marked.
 * @param {import("../photo/open-photo.js").Snapshot} mine
 * @param {import("../photo/open-photo.js").Snapshot} theirs
 * @returns {import("../photo/open-photo.js").Snapshot}
 */
export function keepBoth(mine, theirs) {
  const annotations = union(mine.annotations, theirs.annotations);
  const states = [mine.state, theirs.state].filter(Boolean);
  const state = states.find((one) => one !== "good") ?? (annotations.length === 0 ? states[0] : null) ?? null;
  return { state, annotations };
}

function choices() {
  return byId("conflict").querySelectorAll("[data-choice]");
}

async function show() {
  const conflict = waiting[0], [photo, current] = conflict;
  const theirs = current.annotations.map(fromServer);
  seen = null;
  for (const button of choices()) button.disabled = true;
  byId("conflict-title").textContent = `${photo.name} was changed by someone else in the meantime`;
  listOf("conflict-mine", photo.annotations, photo.state, theirs);
  listOf("conflict-theirs", theirs, current.state, photo.annotations);
  byId("conflict").showModal();
  const picture = await openPicture(photo);
  if (waiting[0] !== conflict) return;
  paintPreview(byId("conflict-mine-picture"), picture, photo);
  paintPreview(byId("conflict-theirs-picture"), picture, { ...current, annotations: theirs });
  requestAnimationFrame(() => {
    if (waiting[0] !== conflict) return;
    seen = conflict;
    for (const button of choices()) button.disabled = false;
  });
}

function listOf(id, annotations, state, others) {
  const rows = annotations.map((annotation) => {
    const alone = !others.some((one) => sameAnnotation(one, annotation));
    const { category_id, proposed, geometry } = annotation;
    const text = `${categoryName(category_id)}, ${proposed ? "proposal" : geometry.kind}, ${Math.round(geometry.area)} px`;
    return element("li", { class: alone ? "differs" : "", text: alone ? `${text} (only here)` : text });
  });
  byId(id).replaceChildren(element("li", { text: `photo: ${state ?? "no mark"}` }), ...rows);
}

function choose(choice) {
  if (!seen || seen !== waiting[0]) return;
  const [photo, current] = waiting.shift();
  seen = null;
  const theirs = current.annotations.map(fromServer);
  if (choice === "theirs") {
    photo.takeOver(current, "took their version");
    app.queue.settle(photo, false);
    say("Their version is shown. Ctrl+Z brings yours back.");
  } else {
    const both = keepBoth(photo.snapshot, { state: current.state, annotations: theirs });
    photo.rebase(current);
    if (choice === "both") photo.history.push(both, "kept both");
    app.queue.settle(photo, true);
    photo.onChange(photo);
    say(choice === "both" ? "Both versions are kept." : "Your version is kept; theirs is in the history (Y).");
  }
  byId("conflict").close();
}

export function startConflict() {
  const dialog = byId("conflict");
  for (const button of choices()) {
    button.addEventListener("click", (event) => {
      // The second half of a double click was not meant for the conflict that came up in between.
      if (event.detail < 2) choose(button.dataset.choice);
    });
  }
  // Closing it would leave the photo unsaved without a word. A browser lets Escape close it the second time all the same.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", reopenConflict);
}
