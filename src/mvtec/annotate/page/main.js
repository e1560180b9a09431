// Starts the page: the session, what was left unsaved last time, the first photo.

import { startAnnotations } from "./panels/labels.js";
import { newKey } from "./photo/annotation.js";
import { api, belongTo } from "./api.js";
import { app } from "./app.js";
import { commands } from "./commands.js";
import { startClasses } from "./panels/classes.js";
import { openConflict, startConflict } from "./dialogs/conflict.js";
import { startHelp } from "./dialogs/help.js";
import { startHistory } from "./dialogs/history.js";
import { paintCrosshair, startCrosshair } from "./canvas/crosshair.js";
import { byId } from "./dom.js";
import { startKeys } from "./keys.js";
import { startMarks } from "./photo/marks.js";
import { lastPhoto, open } from "./photo/navigate.js";
import { PendingStore } from "./saving/pending.js";
import { startPointer } from "./canvas/pointer.js";
import { SaveQueue } from "./saving/queue.js";
import { startRecovery } from "./saving/recover.js";
import { setLivePainter, startStage, view } from "./canvas/stage.js";
import { renderStatus, startStatus } from "./panels/status.js";
import { applyFilters, startStrip } from "./panels/film-strip.js";
import { startTheme } from "./panels/theme.js";
import { framesOfLastStroke } from "./tools/brush.js";
import { currentTool } from "./tools/tools.js";
import { startTools } from "./panels/buttons.js";

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
  belongTo(app.session.store);
  const store = new PendingStore(app.session.store), page = newKey();
  store.claim(page);
  app.queue = new SaveQueue({
    put: api.put, store, page, client: clientName(), onChange: renderStatus, onConflict: openConflict,
  });
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
  startHelp(commands);
  startHistory();
  startConflict();
  startMarks();
  startStatus();
  await startRecovery(store);
  await firstPhoto();
  byId("canvas").focus({ preventScroll: true });
}

/** For tests: what can be seen, and nothing that can be changed. */
/** @type {any} */ (window).mvtecPage = Object.freeze({
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
