// The versions of a photo: when, what changed, how it looked, and the way back.

import { fromServer } from "../photo/annotation.js";
import { api } from "../api.js";
import { app, categoryName } from "../app.js";
import { byId, element } from "../dom.js";
import { openPicture } from "../photo/navigate.js";
import { paintPreview } from "../canvas/paint.js";
import { say } from "../panels/message.js";

/** Who saves that is no browser. */
const CLIENTS = new Map([["file", "the file"], ["predictions", "a model"], ["outside", "another program"]]);

/** The version that is shown: {photo: OpenPhoto, version: Photo as it was}. */
let shown = null;

export async function openHistory() {
  const { photo } = app;
  if (!photo) return;
  const versions = byId("history-versions");
  shown = null;
  byId("history-restore").hidden = true;
  byId("history-preview").hidden = true;
  byId("history-title").textContent = `History of ${photo.name}`;
  versions.replaceChildren(element("p", { class: "soft", text: "Asking…" }));
  byId("history").showModal();
  try {
    const answer = await api.history(photo.id);
    versions.replaceChildren(...answer.versions.map((version) => renderVersion(photo, version)));
    if (answer.dropped > 0) {
      const words = `${answer.dropped} older ${answer.dropped === 1 ? "version is" : "versions are"} no longer kept.`;
      versions.append(element("p", { class: "soft", text: words }));
    }
    if (answer.versions.length === 0) versions.append(element("p", { class: "soft", text: "Nothing was changed yet." }));
    versions.querySelector("button")?.click();
  } catch (error) {
    versions.replaceChildren(element("p", { class: "bad", text: error.message }));
  }
}

function renderVersion(photo, { revision, at, client, state, labels, proposals, what }) {
  const who = client === app.queue.client ? "this browser" : CLIENTS.get(client) ?? "another browser";
  const about = [`${labels} ${labels === 1 ? "label" : "labels"}`, proposals > 0 ? `${proposals} proposed` : null, state, who];
  return element("button", {
    type: "button", class: "version", "aria-pressed": "false",
    onclick: (event) => preview(photo, revision, event.currentTarget),
  },
    element("b", { text: at ? new Date(at).toLocaleString() : "as imported" }),
    element("span", { text: what || "" }),
    element("span", { class: "soft", text: about.filter(Boolean).join(" · ") }));
}

async function preview(photo, revision, button) {
  for (const one of byId("history-versions").children) one.setAttribute("aria-pressed", String(one === button));
  try {
    const [version, picture] = await Promise.all([api.version(photo.id, revision), openPicture(photo)]);
    if (button.getAttribute("aria-pressed") !== "true") return;
    shown = { photo, version };
    const annotations = version.annotations.map(fromServer);
    const canvas = byId("history-preview");
    canvas.hidden = false;
    canvas.setAttribute("aria-label", annotations.map(({ category_id }) => categoryName(category_id)).join(", ") || "no labels");
    paintPreview(canvas, picture, { ...version, annotations });
    byId("history-restore").hidden = revision === photo.revision;
  } catch (error) {
    say(error.message);
  }
}

export function startHistory() {
  byId("history-restore").addEventListener("click", () => {
    const { photo, version } = shown;
    photo.change("restored an older version", { state: version.state, annotations: version.annotations.map(fromServer) });
    byId("history").close();
    say("The older version is back. Ctrl+Z undoes this.");
  });
}
