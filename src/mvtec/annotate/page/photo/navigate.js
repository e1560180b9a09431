// Opens photos: from the prefetched ones where it can, and fetches the two that come next.

import { api } from "../api.js";
import { app, emit } from "../app.js";
import { byId } from "../dom.js";
import { OpenPhoto } from "./open-photo.js";
import { PhotoList } from "./list.js";
import { handsBusy } from "../canvas/press.js";
import { quiet, say } from "../panels/message.js";
import { showPhoto } from "../canvas/stage.js";
import { currentTool } from "../tools/tools.js";

/** Pictures kept decoded: the one shown, two ahead, one behind, and a spare. */
const KEPT_PICTURES = 5;
/** Photos with an undo history stay; of the others, no more than this many. */
const KEPT_PLAIN = 8;

/** Where in the list the photo is that is open, or was asked for last. */
export let position = 0;

export const list = new PhotoList(() => emit("list"));

/** @type {Map<string, OpenPhoto>} */
const opened = new Map();
/** @type {Map<string, Promise<ImageBitmap>>} by id and version */
const pictures = new Map();
/** @type {Map<string, Promise<object>>} the Photo of the server, fetched ahead */
const ahead = new Map();
/** Turns of `open`: the newest begun, and the one whose photo is shown. */
let newestTurn = 0;
let shownTurn = 0;
/** @type {ImageBitmap | null} */
let shownBitmap = null;
/** When a photo was shown that a filter has opened; who pressed a moment later meant the one before. */
let unaskedAt = -Infinity;
const UNASKED_MS = 600;

/** Has a filter, and not the person, opened the photo that is shown, a moment ago? */
export function cameUnasked() {
  return performance.now() - unaskedAt < UNASKED_MS;
}

function pictureOf(id, version) {
  const name = `${id} ${version}`;
  if (!pictures.has(name)) {
    const picture = api.image(id, version).then((blob) => createImageBitmap(blob));
    picture.catch(() => pictures.delete(name));
    pictures.set(name, picture);
  } else {
    const picture = pictures.get(name);
    pictures.delete(name);
    pictures.set(name, picture);
  }
  while (pictures.size > KEPT_PICTURES) {
    const [oldest, picture] = pictures.entries().next().value;
    pictures.delete(oldest);
    // Without this a megapixel picture waits for the garbage collector.
    picture.then((bitmap) => {
      if (bitmap !== shownBitmap) bitmap.close();
    }, () => {});
  }
  return pictures.get(name);
}

/** The decoded picture of a photo, for previews. @param {OpenPhoto} photo @returns {Promise<ImageBitmap | null>} */
export function openPicture({ id, version }) {
  return pictureOf(id, version).catch(() => null);
}

function updateRow(photo) {
  const proposals = photo.proposals.length;
  list.update(photo.id, { state: photo.state, labels: photo.annotations.length - proposals, proposals });
}

function changed(photo) {
  updateRow(photo);
  if (photo === app.photo) {
    emit("change");
    emit("selection");
  }
}

/** The photo as this session knows it, brought up to the server's newest where nothing is pending. */
export function adopt(raw) {
  const known = opened.get(raw.id);
  if (known) {
    opened.delete(raw.id);
    opened.set(raw.id, known);
    // What was fetched ahead may be older than what was saved since.
    if (raw.revision > known.revision && !app.queue.has(raw.id)) known.takeOver(raw, "another browser's version");
    return known;
  }
  const photo = new OpenPhoto(raw, { onChange: changed, onEdit: (edited) => app.queue.push(edited) });
  opened.set(raw.id, photo);
  const plain = [...opened.values()].filter((one) => !one.isNeeded && one !== app.photo && one !== photo && !app.queue.has(one.id));
  for (const one of plain.slice(0, Math.max(0, plain.length - KEPT_PLAIN))) opened.delete(one.id);
  return photo;
}

/** The list is another one, and the open photo lies there now. */
export function placeAt(index) {
  position = index;
  emit("list");
}

/** The photo that was open last, for the next visit. */
export function lastPhoto() {
  return localStorage.getItem(`${app.session.store}:photo`);
}

/**
 * Opens a photo by its row in the list.
 * @param {{id: string, name: string, version: string}} row
 * @param {number} index in the list
 * @param {{unasked?: boolean}} [how] unasked: a filter opens it
 */
export async function open(row, index, { unasked = false } = {}) {
  newestTurn += 1;
  const turn = newestTurn;
  position = index;
  emit("list");
  const raw = ahead.get(row.id) ?? api.photo(row.id);
  ahead.delete(row.id);
  const picture = pictureOf(row.id, row.version);
  picture.catch(() => {});
  let photo;
  try {
    photo = adopt(await raw);
  } catch (error) {
    if (turn === newestTurn) showMissing(turn, row, error);
    return;
  }
  let bitmap = null, problem = "";
  try {
    bitmap = await picture;
  } catch (error) {
    problem = `${row.name} cannot be shown: ${error.message}`;
  }
  // With the key held down photos pass by as they come; one that is late does not take the place of a later one, and
  // one whose picture was given up already (its width is 0 then) is passed by.
  if (turn < shownTurn || bitmap?.width === 0) return;
  shownTurn = turn;
  // Asked for twice, as by a click while the page begins: what is selected or being drawn by now stays.
  if (photo === app.photo && bitmap !== null && bitmap === shownBitmap) {
    emit("list");
    return;
  }
  unaskedAt = unasked && app.photo !== null ? performance.now() : -Infinity;
  shownBitmap = bitmap;
  photo.usable = bitmap !== null;
  photo.selection.clear();
  app.photo = photo;
  byId("photo-name").firstElementChild.textContent = photo.name;
  quiet();
  showPhoto(bitmap, photo.width, photo.height);
  showProblem(problem);
  emit("photo");
  emit("change");
  app.ready = true;
  localStorage.setItem(`${app.session.store}:photo`, row.id);
  history.replaceState(null, "", `#photo=${encodeURIComponent(row.id)}`);
  prefetch(index, row.id);
}

// What is done now must not be done to the photo before.
function showMissing(turn, { name }, error) {
  shownTurn = turn;
  shownBitmap = null;
  app.photo = null;
  byId("photo-name").firstElementChild.textContent = name;
  showProblem(`${name}: ${error.message}`);
  emit("photo");
  emit("change");
}

function showProblem(text) {
  const note = byId("stage-note");
  note.hidden = text === "";
  note.textContent = text;
  if (text) showPhoto(null, 1, 1);
}

async function prefetch(index, id) {
  const next = [];
  for (const at of [index + 1, index + 2]) {
    const row = await list.at(at).catch(() => null);
    if (row) next.push(row);
  }
  if (app.photo?.id !== id) return;
  for (const row of next) {
    pictureOf(row.id, row.version).catch(() => {});
    if (!ahead.has(row.id)) {
      const raw = api.photo(row.id);
      raw.catch(() => ahead.delete(row.id));
      ahead.set(row.id, raw);
    }
  }
  // What was fetched ahead and passed by would be old when it is needed.
  const wanted = new Set(next.map((row) => row.id));
  for (const one of ahead.keys()) if (!wanted.has(one)) ahead.delete(one);
  if (app.session.sam.available) api.prepare(id, next.map((row) => row.id)).catch(() => {});
}

/** Leaves the photo, unless something drawn would be lost. @param {() => unknown} go */
export async function leave(go) {
  const words = currentTool().unfinished();
  if (words) say(words);
  else await go();
}

/** Is another photo asked for than the one that is shown? */
export function isOpening() {
  return newestTurn !== shownTurn;
}

/** @param {1 | -1} step */
export async function goBy(step) {
  // While photos are still coming, the next is counted from the one that was asked for.
  try {
    const next = await list.next(position + step, step);
    if (next) await open(next.row, next.index);
    else say(step > 0 ? "This is the last photo." : "This is the first photo.");
  } catch (error) {
    say(`The list cannot be fetched: ${error.message}`);
  }
}

/** Opens the next photo that has no mark yet. */
export async function nextWithout() {
  try {
    let next = await list.next(position + 1, 1);
    while (next && next.row.state !== null) next = await list.next(next.index + 1, 1);
    if (next) await open(next.row, next.index);
    else say("No photo without a mark after this one.");
  } catch (error) {
    say(`The list cannot be fetched: ${error.message}`);
  }
}

/** May another version take the place of what is here? Not while something is pending or in hand. */
export function isAtRest(id) {
  return !app.queue.has(id) && !(id === app.photo?.id && handsBusy());
}

/**
 * Shows the newest version of a photo that another browser has saved.
 * @param {OpenPhoto} photo
 * @returns {Promise<boolean>} false when it is not newer, or this is no time for it
 */
export async function refresh(photo) {
  if (!isAtRest(photo.id)) return false;
  const raw = await api.photo(photo.id);
  if (!isAtRest(photo.id) || !(raw.revision > photo.revision)) return false;
  photo.takeOver(raw, "another browser's version");
  return true;
}
