// Two people changed one photo: both versions as pictures with their lists, and who wins.

import { fromServer, newKey } from "./annotation.js";
import { app, categoryName } from "./app.js";
import { byId, element } from "./dom.js";
import { openPicture } from "./navigate.js";
import { paintPreview } from "./paint.js";
import { sameAnnotation } from "./photo.js";
import { say } from "./say.js";

/** Conflicts wait in line: [photo, the server's Photo]. */
const waiting = [];

/** @param {import("./photo.js").OpenPhoto} photo @param {object} current the server's Photo */
export function openConflict(photo, current) {
  waiting.push([photo, current]);
  if (!byId("conflict").open) show();
}

/**
 * Their labels, and those of mine that theirs do not have, under new keys where a key means two things.
 * @param {import("./annotation.js").Annotation[]} mine
 * @param {import("./annotation.js").Annotation[]} theirs
 */
export function union(mine, theirs) {
  const taken = new Set(theirs.map(({ key }) => key));
  const extra = mine.filter((annotation) => !theirs.some((one) => sameAnnotation(one, annotation)));
  return [...theirs, ...extra.map((annotation) => (taken.has(annotation.key) ? { ...annotation, key: newKey() } : annotation))];
}

async function show() {
  const [photo, current] = waiting[0];
  const theirs = current.annotations.map(fromServer);
  byId("conflict-title").textContent = `${photo.name} was changed by someone else in the meantime`;
  listOf("conflict-mine", photo.annotations, photo.state, theirs);
  listOf("conflict-theirs", theirs, current.state, photo.annotations);
  byId("conflict").showModal();
  const picture = await openPicture(photo);
  paintPreview(byId("conflict-mine-picture"), picture, photo);
  paintPreview(byId("conflict-theirs-picture"), picture, { ...current, annotations: theirs });
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
  const [photo, current] = waiting.shift();
  const theirs = current.annotations.map(fromServer);
  if (choice === "theirs") {
    photo.takeOver(current, "took their version");
    app.queue.settle(photo, false);
    say("Their version is shown. Ctrl+Z brings yours back.");
  } else {
    const both = { state: photo.state ?? current.state, annotations: union(photo.annotations, theirs) };
    photo.rebase(current);
    if (choice === "both") photo.history.push(both, "kept both");
    app.queue.settle(photo, true);
    photo.onChange(photo);
    say(choice === "both" ? "Both versions are kept." : "Your version is kept; theirs is in the history (Y).");
  }
  byId("conflict").close();
  if (waiting.length > 0) show();
}

export function startConflict() {
  const dialog = byId("conflict");
  for (const button of dialog.querySelectorAll("[data-choice]")) button.addEventListener("click", () => choose(button.dataset.choice));
  // Closing it would leave the photo unsaved without a word.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
}
