// "saved", "saving…" or "not saved", the lasting banner, and the other browsers.

import { api, ApiError, isForeign } from "../api.js";
import { app } from "../app.js";
import { reopenConflict } from "../dialogs/conflict.js";
import { byId, element } from "../dom.js";
import { refresh } from "../photo/navigate.js";
import { takeCategories } from "./classes.js";
import { photosWaiting, recover } from "../saving/recover.js";
import { say } from "./message.js";
import { currentTool } from "../tools/tools.js";

const HEARTBEAT_MS = 5000;

let others = 0;
/** Why the annotation file cannot be rewritten at the moment. */
let fileProblem = null;
let savedAt = null;
/** Has the person closed the notes on how the predictions were read? */
let notesRead = false;
/** Why the last heartbeat failed; null when it did not. @type {ApiError | null} */
let trouble = null;
/** What screen readers were told last. */
let announced = "saved";

/** Shows what the queue says. Nothing here is guessed: "saved" means that the server has answered. */
export function renderStatus() {
  const { queue } = app, status = byId("status");
  const state = queue.problem || photosWaiting() > 0 ? "unsaved" : queue.size > 0 ? "saving" : "saved";
  if (status.dataset.state !== state) {
    status.dataset.state = state;
    byId("status-text").textContent = { unsaved: "not saved", saving: "saving…", saved: "saved" }[state];
  }
  // Each "saving" and "saved" read out would drown all else.
  if (state !== "saving" && state !== announced) {
    announced = state;
    byId("status-live").textContent = byId("status-text").textContent;
  }
  status.title = savedAt ? `${app.session.file} was written ${new Date(savedAt).toLocaleTimeString()}` : app.session.file;
  renderBanner();
}

/** What the server, or its silence, makes of the edits: one line at most. */
function troubleLine() {
  const { queue } = app;
  if (isForeign()) {
    const text = "This page belongs to another annotation file; reload it. Your unsaved edits are kept in this browser for it.";
    return { text, action: ["Reload", () => location.reload()], bad: true };
  }
  if (queue.problem) {
    const { text, blocked } = queue.problem;
    const then = { "": "retrying", conflict: "choose a version", refused: "change or undo the edit, or try again" };
    return {
      text: `not saved: ${text.replace(/\.$/, "")}; your edits are kept here; ${then[blocked]}.`,
      action: blocked === "conflict" ? ["Choose", reopenConflict] : ["Try now", () => queue.retry()], bad: true,
    };
  }
  if (!trouble) return null;
  const words = trouble.status === 0 ? "The server does not answer" : `The server says: ${trouble.message.replace(/\.$/, "")}`;
  return { text: `${words}. What you do now is kept here and sent when it is back.`, bad: true };
}

function renderBanner() {
  const { queue } = app, banner = byId("banner");
  /** @type {{text: string, action?: any[], bad?: boolean}[]} */
  const lines = [troubleLine()].filter(Boolean);
  const before = isForeign() ? 0 : photosWaiting();
  if (before > 0) {
    const which = before === 1 ? "one photo" : `${before} photos`;
    lines.push({ text: `Edits of ${which} from before are kept in this browser and not sent yet; trying again.`, bad: true });
  }
  if (queue.storageProblem) {
    lines.push({ text: `Do not close this page before it says saved: ${queue.storageProblem}.`, bad: true });
  }
  if (fileProblem) {
    const text = `The edits are safe, but the file cannot be written: ${fileProblem}`;
    lines.push({ text, action: ["Write now", writeFile], bad: true });
  }
  if (!notesRead && app.session.notes.length > 0) {
    lines.push({ text: app.session.notes.join("\n"), action: ["Close", closeNotes] });
  }
  if (others > 0) {
    const who = others === 1 ? "Another browser has" : `${others} other browsers have`;
    lines.push({ text: `${who} this photo open. Who saves second is asked.` });
  }
  const words = lines.map(({ text }) => text).join("\n");
  if (banner.dataset.words === words) return;
  banner.dataset.words = words;
  banner.hidden = lines.length === 0;
  banner.replaceChildren(...lines.map(({ text, action, bad }) => element("p", { class: bad ? "bad-line" : "note-line" },
    element("span", { text }),
    action ? element("button", { type: "button", text: action[0], onclick: action[1] }) : null)));
}

function closeNotes() {
  notesRead = true;
  renderBanner();
}

/** Has the annotation file written now; the server does so every minute by itself. */
export async function writeFile() {
  try {
    const { file, saved_at, problem } = await api.save();
    savedAt = saved_at;
    fileProblem = problem;
    if (!problem) say(`Written: ${file}`);
  } catch (error) {
    say(`Not written: ${error.message}`);
  }
  renderStatus();
}

async function beat() {
  const { photo, queue, categories } = app;
  try {
    const answer = await api.here(queue.client, photo?.id ?? null);
    // A server that is back need not wait for the end of a long delay.
    if (trouble) queue.retry();
    trouble = null;
    fileProblem = answer.problem;
    savedAt = answer.saved_at;
    others = photo === app.photo ? answer.others : 0;
    // An answer from before a class was added here would take it away again.
    if (categories === app.categories) takeCategories(answer.categories);
    await recover();
    if (photo && photo === app.photo && answer.revision > photo.revision && !queue.has(photo.id) && (await refresh(photo))) {
      say("Another browser saved this photo: its version is shown. Ctrl+Z brings yours back.");
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    trouble = error;
  }
  renderStatus();
}

export function startStatus() {
  fileProblem = app.session.problem;
  savedAt = app.session.saved_at;
  byId("status").addEventListener("click", writeFile);
  window.addEventListener("beforeunload", (event) => {
    const kept = isForeign() && !app.queue.storageProblem;
    if ((app.queue.size > 0 && !kept) || currentTool().unfinished()) event.preventDefault();
  });
  window.addEventListener("online", () => app.queue.retry());
  const again = () => beat().finally(() => {
    if (!isForeign()) setTimeout(again, HEARTBEAT_MS);
  });
  again();
  renderStatus();
}
