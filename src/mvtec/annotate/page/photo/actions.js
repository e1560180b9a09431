// What can be done to the selected labels and to the photo. Buttons and keys call these.

import { accepted, boxGeometry, geometryOf, newKey, reshaped, whyFixed } from "./annotation.js";
import { api } from "../api.js";
import { app, categoryName, emit, whileBusy } from "../app.js";
import { draggedBox } from "../canvas/geometry.js";
import { say } from "../panels/message.js";

function count(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}

export function undo() {
  const what = app.photo?.undo();
  say(what ? `Undone: ${what}.` : "Nothing to undo on this photo.");
}

export function redo() {
  const what = app.photo?.redo();
  say(what ? `Done again: ${what}.` : "Nothing to redo on this photo.");
}

function selectNextProposal() {
  const next = app.photo.proposals[0];
  app.photo.select(next ? [next.key] : []);
}

/** Accepts the selected proposals and goes to the next one; with none selected, goes to the first. */
export function accept() {
  const { photo } = app;
  if (!photo) return;
  const chosen = photo.selected.filter(({ proposed }) => proposed);
  if (chosen.length === 0) {
    if (photo.proposals.length === 0) say("No proposals on this photo.");
    selectNextProposal();
    return;
  }
  acceptThese(chosen);
  const names = chosen.map(({ category_id }) => categoryName(category_id)).join(", ");
  say(`Accepted ${names}; ${count(photo.proposals.length, "proposal")} left.`);
}

function acceptThese(chosen) {
  const keys = new Set(chosen.map(({ key }) => key)), { photo } = app;
  const annotations = photo.annotations.map((one) => (keys.has(one.key) ? accepted(one) : one));
  photo.change("accepted", { annotations });
  selectNextProposal();
}

export function acceptAll() {
  const { photo } = app;
  if (!photo) return false;
  const all = photo.proposals;
  if (all.length === 0) {
    say("No proposals on this photo.");
    return false;
  }
  acceptThese(all);
  say(`Accepted ${count(all.length, "proposal")}.`);
  return true;
}

export function reject() {
  const { photo } = app;
  if (!photo) return;
  const chosen = photo.selected.filter(({ proposed }) => proposed);
  if (chosen.length === 0) {
    if (photo.selected.length > 0) say("This label is accepted already; Delete removes it.");
    else if (photo.proposals.length > 0) selectNextProposal();
    else say("No proposals on this photo.");
    return;
  }
  drop("rejected", chosen);
  selectNextProposal();
  say(`Rejected; ${count(photo.proposals.length, "proposal")} left.`);
}

function drop(what, chosen) {
  const keys = new Set(chosen.map(({ key }) => key));
  app.photo.change(what, { annotations: app.photo.annotations.filter(({ key }) => !keys.has(key)) });
}

export function remove() {
  const { selected } = app.photo ?? { selected: [] };
  if (selected.length === 0) {
    say("Select a label first.");
    return;
  }
  drop("deleted", selected);
  say(`Deleted ${count(selected.length, "label")}. Ctrl+Z brings it back.`);
}

// Who corrects the class of a proposal has reviewed it. A mask of SAM was asked for a moment ago: more points may follow.
function reclassed(annotation, category_id) {
  const asked = annotation.proposed && annotation.attributes.source === "sam";
  return { ...(asked ? annotation : accepted(annotation)), category_id };
}

/** Chooses the class of what is drawn next, and gives it to what is selected. */
export function chooseCategory(id) {
  app.categoryId = id;
  const { photo } = app;
  const chosen = photo?.selected.filter(({ category_id }) => category_id !== id) ?? [];
  if (chosen.length > 0) {
    const keys = new Set(chosen.map(({ key }) => key));
    const annotations = photo.annotations.map((one) => (keys.has(one.key) ? reclassed(one, id) : one));
    photo.change("class changed", { annotations });
  }
  say(chosen.length > 0 ? `${count(chosen.length, "label")}: ${categoryName(id)}.` : `Class ${categoryName(id)}.`);
  emit("categories");
}

/**
 * Marks the photo, or takes the same mark away.
 * @param {"good" | "reviewed" | "unsure"} state
 */
export function mark(state) {
  const { photo } = app;
  if (!photo) return;
  if (photo.state === state) {
    photo.change(`no longer ${state}`, { state: null });
    say(`No longer ${state}.`);
    return;
  }
  const labels = photo.annotations.filter(({ proposed }) => !proposed).length;
  if (state === "good" && labels > 0) {
    say(`This photo has ${count(labels, "label")}; a good photo has none. Delete them first (Ctrl+A, Delete).`);
    return;
  }
  // A good photo has no defects: what a model proposed here is rejected with it.
  photo.change(`marked ${state}`, state === "good" ? { state, annotations: [] } : { state });
  say(`Marked ${state}.`);
}

/**
 * Goes through the labels.
 * @param {1 | -1} step
 * @param {boolean} more keeps those that are selected
 * @returns {boolean} false past either end
 */
export function selectNext(step, more = false) {
  const { photo } = app;
  if (!photo || photo.annotations.length === 0) return false;
  const isSelected = ({ key }) => photo.selection.has(key);
  const at = step > 0 ? photo.annotations.findLastIndex(isSelected) : photo.annotations.findIndex(isSelected);
  const next = at < 0 ? (step > 0 ? 0 : photo.annotations.length - 1) : at + step;
  const annotation = photo.annotations[next];
  if (annotation) photo.select([...(more ? photo.selection : []), annotation.key]);
  else if (!more) photo.select([]);
  if (!annotation) return false;
  const kind = annotation.proposed ? "proposal" : annotation.geometry.kind;
  say(`${categoryName(annotation.category_id)}, ${kind}, ${next + 1} of ${photo.annotations.length}.`);
  return true;
}

export function selectAll() {
  if (!app.photo) return;
  app.photo.select(app.photo.annotations.map(({ key }) => key));
  say(`${count(app.photo.annotations.length, "label")} selected.`);
}

/** Moves the selected box, or its right and lower side. @returns {boolean} false when no box is selected */
export function nudge(dx, dy, resize) {
  const { photo } = app;
  const [annotation, ...others] = photo?.selected ?? [];
  if (!annotation || others.length > 0 || annotation.geometry.kind !== "box") return false;
  const words = whyFixed(annotation);
  if (words) {
    say(words);
    return true;
  }
  const handle = resize ? (dx === 0 ? "s" : "e") : "move";
  const bbox = draggedBox(annotation.geometry.bbox, handle, dx, dy, photo.width, photo.height);
  if (bbox[2] > 0 && bbox[3] > 0) photo.replace(resize ? "box resized" : "box moved", reshaped(annotation, boxGeometry(bbox)));
  return true;
}

/**
 * Has the server make new shapes of the selected ones.
 * @param {"merge" | "components" | "fill-holes" | "outline"} operation
 */
export async function reshape(operation) {
  const { photo } = app;
  const chosen = photo?.selected ?? [];
  const least = operation === "merge" ? 2 : 1;
  if (chosen.length < least) {
    say(least === 2 ? "Select two or more labels first (Shift+click, or Shift+arrow in the list)." : "Select a label first.");
    return;
  }
  if (chosen.some(({ geometry }) => !geometry.counts)) {
    say("A box has no pixels. Select labels with a mask.");
    return;
  }
  try {
    const masks = chosen.map(({ geometry }) => geometry.counts);
    // One mask at a time for components: the answer is a flat list, and each part keeps the class of its whole.
    const questions = operation === "components" ? masks.map((mask) => [mask]) : [masks];
    const asked = Promise.all(questions.map((question) => api.shapes(photo.id, operation, question)));
    const answers = await photo.whileAsked(whileBusy(asked));
    if (chosen.some((annotation) => photo.find(annotation.key) !== annotation)) {
      say("The label changed in the meantime; try again.");
      return;
    }
    install(photo, operation, chosen, answers.map(({ shapes }) => shapes));
  } catch (error) {
    say(`Not done: ${error.message}`);
  }
}

function shaped(annotation, shape, operation) {
  return reshaped(annotation, geometryOf(operation === "outline" ? shape : { ...shape, polygon: null }));
}

function install(photo, operation, chosen, answers) {
  const made = new Map();
  if (operation === "components") {
    chosen.forEach((annotation, i) => {
      const parts = answers[i].map((shape) => shaped(annotation, shape, operation));
      made.set(annotation.key, parts.map((part, j) => (j === 0 ? part : { ...part, key: newKey() })));
    });
  } else if (operation === "merge") {
    chosen.forEach((annotation, i) => made.set(annotation.key, i === 0 ? [shaped(annotation, answers[0][0], operation)] : []));
  } else {
    chosen.forEach((annotation, i) => made.set(annotation.key, [shaped(annotation, answers[0][i], operation)]));
  }
  const parts = [...made.values()].flat();
  const words = { merge: "merged", components: "split into components", "fill-holes": "holes filled", outline: "outlined" }[operation];
  if (operation === "components" && parts.length === chosen.length) {
    say("It is one piece already.");
    return;
  }
  photo.selection = new Set(parts.map(({ key }) => key));
  photo.change(words, { annotations: photo.annotations.flatMap((one) => made.get(one.key) ?? [one]) });
  say(operation === "components" ? `Split into ${parts.length}.` : `${words[0].toUpperCase()}${words.slice(1)}.`);
}
