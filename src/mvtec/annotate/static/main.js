// Starts the page: the session, what was left unsaved last time, the first photo.

import { startAnnotations } from "./panel-annotations.js";
import { newKey } from "./annotation.js";
import { api } from "./api.js";
import { app, emit } from "./app.js";
import { startClasses } from "./panel-classes.js";
import { openConflict, startConflict } from "./dialog-conflict.js";
import { startHistory } from "./dialog-history.js";
import { paintCrosshair, startCrosshair } from "./crosshair.js";
import { byId } from "./dom.js";
import { startKeys } from "./keys.js";
import { adopt, lastPhoto, open } from "./navigate.js";
import { PendingStore } from "./pending.js";
import { startPointer } from "./pointer.js";
import { SaveQueue } from "./queue.js";
import { say } from "./say.js";
import { setLivePainter, startStage, view } from "./stage.js";
import { renderStatus, startStatus } from "./status.js";
import { applyFilters, startStrip } from "./strip.js";
import { startTheme } from "./theme.js";
import { framesOfLastStroke } from "./tool-brush.js";
import { currentTool } from "./tools.js";
import { startTools } from "./panel-tools.js";

/**
 * Who this tab is for the server. It keeps its name over a reload, but a copied tab gets a name of its own: the name
 * lies in the storage only while no page is there.
 */
function clientName() {
  const key = "mvtec:client", name = sessionStorage.getItem(key) ?? newKey();
  sessionStorage.removeItem(key);
  window.addEventListener("pagehide", () => sessionStorage.setItem(key, name));
  return name;
}

/** Sends what the server had not confirmed when the page was closed. */
async function recover(store) {
  const records = await store.all().catch(() => []);
  for (const { id, revision, body, snapshot } of records) {
    let raw;
    try {
      raw = await api.photo(id);
    } catch (error) {
      if (error.status === 404) say(`Edits of a photo that is gone are kept in this browser: ${id}`, { lasting: true });
      continue;
    }
    const photo = adopt(raw);
    // Based on what the person saw then: if someone has saved since, the server says so and the person chooses.
    photo.revision = revision;
    photo.history.push(snapshot, "edits from before the reload");
    if (body) app.queue.resume(photo, body);
    else app.queue.push(photo);
    emit("change");
  }
  if (records.length > 0) say(`Edits of ${records.length === 1 ? "one photo" : `${records.length} photos`} from before are being sent.`);
}

async function firstPhoto() {
  const wanted = new URLSearchParams(location.hash.slice(1)).get("photo") ?? lastPhoto();
  if (wanted) {
    try {
      const { id, name, version } = await api.photo(wanted);
      await open({ id, name, version }, 0);
    } catch {
      // It is gone, or belongs to another session: the first photo does as well.
    }
  }
  await applyFilters();
}

async function start() {
  startTheme();
  try {
    app.session = await api.session();
  } catch (error) {
    byId("stage-note").hidden = false;
    byId("stage-note").textContent = error.message;
    return;
  }
  app.categories = app.session.categories;
  app.categoryId = app.categories[0]?.id ?? null;
  document.title = `${app.session.name} – mvtec annotate`;
  const store = new PendingStore(app.session.store);
  app.queue = new SaveQueue({ put: api.put, store, client: clientName(), onChange: renderStatus, onConflict: openConflict });
  startStage();
  setLivePainter((context) => {
    if (!app.photo) return;
    currentTool().paint(context);
    paintCrosshair(context);
  });
  startPointer();
  startCrosshair();
  startKeys();
  startTools();
  startClasses();
  startAnnotations();
  startStrip();
  startHistory();
  startConflict();
  startStatus();
  await recover(store);
  await firstPhoto();
  byId("canvas").focus({ preventScroll: true });
}

/** For tests: what can be seen, and nothing that can be changed. */
window.mvtecPage = Object.freeze({
  get ready() {
    return app.ready;
  },
  photo: () => app.photo?.id ?? null,
  toScreen: (x, y) => {
    const { left, top } = byId("canvas").getBoundingClientRect(), { sx, sy } = view.toStage(x, y);
    return { x: left + sx, y: top + sy };
  },
  pending: () => app.queue?.size ?? 0,
  framesOfLastStroke,
});

start();
