// "saved", "saving…" or "not saved", the lasting banner, and the other browsers.

import { api } from "./api.js";
import { app } from "./app.js";
import { byId, element } from "./dom.js";
import { refresh } from "./navigate.js";
import { say } from "./say.js";

const HEARTBEAT_MS = 5000;

let others = 0;
/** Why the annotation file cannot be rewritten at the moment. */
let fileProblem = null;
let savedAt = null;
let reached = true;

/** Shows what the queue says. Nothing here is guessed: "saved" means that the server has answered. */
export function renderStatus() {
  const { queue } = app, status = byId("status");
  const state = queue.problem ? "unsaved" : queue.size > 0 ? "saving" : "saved";
  if (status.dataset.state !== state) {
    status.dataset.state = state;
    byId("status-text").textContent = { unsaved: "not saved", saving: "saving…", saved: "saved" }[state];
  }
  status.title = savedAt ? `${app.session.file} was written ${new Date(savedAt).toLocaleTimeString()}` : app.session.file;
  renderBanner();
}

function renderBanner() {
  const { queue } = app, banner = byId("banner");
  const lines = [];
  if (queue.problem) {
    const { text, blocked } = queue.problem;
    const then = { "": "retrying", conflict: "choose a version", refused: "change or undo the edit, or try again" };
    lines.push({
      text: `not saved: ${text.replace(/\.$/, "")}; your edits are kept here; ${then[blocked]}.`,
      action: blocked === "conflict" ? null : ["Try now", () => queue.retry()], bad: true,
    });
  } else if (!reached) {
    lines.push({ text: "The server does not answer. What you do now is kept here and sent when it is back.", bad: true });
  }
  if (queue.storageProblem) {
    lines.push({ text: `Do not close this page before it says saved: ${queue.storageProblem}.`, bad: true });
  }
  if (fileProblem) {
    const text = `The edits are safe, but the file cannot be written: ${fileProblem}`;
    lines.push({ text, action: ["Write now", writeFile], bad: true });
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
  const { photo, queue } = app;
  try {
    const answer = await api.here(queue.client, photo?.id ?? null);
    // A server that is back need not wait for the end of a long delay.
    if (!reached) queue.retry();
    reached = true;
    fileProblem = answer.problem;
    savedAt = answer.saved_at;
    others = photo === app.photo ? answer.others : 0;
    if (photo && photo === app.photo && answer.revision > photo.revision && !queue.has(photo.id) && (await refresh(photo))) {
      say("Another browser saved this photo: its version is shown. Ctrl+Z brings yours back.");
    }
  } catch {
    reached = false;
  }
  renderStatus();
}

export function startStatus() {
  fileProblem = app.session.problem;
  savedAt = app.session.saved_at;
  byId("status").addEventListener("click", writeFile);
  window.addEventListener("beforeunload", (event) => {
    if (app.queue.size > 0) event.preventDefault();
  });
  window.addEventListener("online", () => app.queue.retry());
  const again = () => beat().finally(() => setTimeout(again, HEARTBEAT_MS));
  again();
  renderStatus();
}
