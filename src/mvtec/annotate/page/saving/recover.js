// Edits that were not confirmed when their page was closed: each is taken up again, and none is lost on the way.

import { api } from "../api.js";
import { app, emit } from "../app.js";
import { adopt, isAtRest } from "../photo/navigate.js";
import { say } from "../panels/message.js";

/** Records that still wait: for the server, or for the photo to be free. @type {import("./pending.js").Pending[]} */
let waiting = [];
let busy = false;

/** How many photos have edits from before that are not on their way yet. */
export function photosWaiting() {
  return new Set(waiting.map(({ id }) => id)).size;
}

/** @param {import("./pending.js").PendingStore} store */
export async function startRecovery(store) {
  const records = await store.all().catch(() => []);
  for (const page of new Set(records.map((record) => record.page))) follow(store, page);
}

// What an open page has not sent yet is for itself to send.
async function follow(store, page) {
  await store.claim(page);
  const records = await store.all().catch(() => []);
  waiting = [...waiting, ...records.filter((record) => record.page === page)];
  await recover();
}

/** Takes up what still waits. Two records of one photo go one after the other: the second may be a conflict. */
export async function recover() {
  if (busy || waiting.length === 0) return;
  busy = true;
  const taken = new Set();
  try {
    for (const record of waiting.slice()) {
      if (!(await take(record))) continue;
      drop(record);
      taken.add(record.id);
    }
  } finally {
    busy = false;
  }
  if (taken.size > 0) say(`Edits of ${taken.size === 1 ? "one photo" : `${taken.size} photos`} from before are being sent.`);
}

function drop(record) {
  waiting = waiting.filter((one) => one !== record);
}

async function take(record) {
  const { id, revision, snapshot } = record;
  if (!isAtRest(id)) return false;
  let raw;
  try {
    raw = await api.photo(id);
  } catch (error) {
    if (error.status !== 404) return false;
    drop(record);
    say(`Edits of a photo that is gone are kept in this browser: ${id}`, { lasting: true });
    return false;
  }
  if (!isAtRest(id)) return false;
  const photo = adopt(raw);
  // Based on what the person saw then: if someone has saved since, the server says so and the person chooses.
  photo.revision = revision;
  photo.history.push(snapshot, "edits from before the reload");
  app.queue.resume(photo, record);
  emit("change");
  return true;
}
