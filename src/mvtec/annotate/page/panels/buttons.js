// Buttons: tools, what is done to labels, the photo's state, sliders, and the sheets of a narrow screen.

import { app, emit, on, setOptions } from "../app.js";
import { runCommand, tooltip } from "../commands.js";
import { buttons, byId } from "../dom.js";
import { icon } from "./icons.js";
import { canUndo } from "../photo/marks.js";
import { view } from "../canvas/stage.js";
import { currentTool } from "../tools/tools.js";

const PERCENT = 100;

/** The photo that was shown when a button went down: it may be another one when it goes up. */
let pressedOn = null;

function dressButtons() {
  for (const button of buttons("[data-command]")) {
    const { command, icon: name } = button.dataset;
    const words = tooltip(command);
    if (name) button.prepend(icon(name));
    button.title = words;
    if (!button.textContent.trim()) button.setAttribute("aria-label", words);
    button.addEventListener("click", (/** @type {MouseEvent} */ { detail }) => runCommand(command, detail > 0 ? { pressedOn, again: detail > 1 } : {}));
  }
  document.addEventListener("pointerdown", () => {
    pressedOn = app.photo?.id ?? null;
  }, { capture: true });
  for (const node of buttons("[data-icon]:not([data-command])")) node.prepend(icon(node.dataset.icon));
}

function renderTools() {
  for (const button of buttons("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === app.tool));
  }
  document.body.dataset.activeTool = app.tool;
  byId("canvas").dataset.cursor = app.tool;
}

function renderSam() {
  const { available, reason } = app.session.sam;
  for (const button of buttons("[data-tool^=sam]")) {
    button.disabled = !available;
    if (!available) button.title = `SAM is not there: ${reason}`;
  }
}

function renderState() {
  const { photo } = app;
  for (const button of buttons("[data-state-button]")) {
    button.setAttribute("aria-pressed", String(photo?.state === button.dataset.stateButton));
    button.disabled = !photo;
  }
  byId("undo").disabled = !canUndo();
  byId("redo").disabled = !photo?.history.canRedo;
  const selected = photo?.selected ?? [], proposals = photo?.proposals.length ?? 0;
  const withPixels = selected.filter(({ geometry }) => geometry.counts).length;
  byId("accept").disabled = proposals === 0;
  byId("reject").disabled = proposals === 0;
  byId("accept-all").disabled = proposals === 0;
  byId("new-label").disabled = selected.length !== 1;
  document.body.dataset.proposals = String(proposals > 0);
  byId("delete").disabled = selected.length === 0;
  byId("merge").disabled = withPixels < 2;
  for (const id of ["components", "fill-holes", "outline"]) byId(id).disabled = withPixels === 0;
}

function renderOptions() {
  const { brushSize, opacity, brightness, contrast, outlineOnly, hidden, negative, several } = app.options;
  byId("brush-size").value = brushSize;
  byId("brush-size-text").textContent = `${brushSize} px`;
  byId("opacity").value = Math.round(opacity * PERCENT);
  byId("brightness").value = Math.round(brightness * PERCENT);
  byId("contrast").value = Math.round(contrast * PERCENT);
  byId("outline-only").checked = outlineOnly;
  byId("hide-labels").checked = hidden;
  byId("negative").checked = negative;
  byId("several").checked = several;
}

function slider(id, option, factor) {
  byId(id).addEventListener("input", ({ target }) => setOptions({ [option]: Number(target.value) / factor }));
}

function openSheet(name) {
  const same = document.body.dataset.sheet === name;
  document.body.dataset.sheet = same ? "" : name;
  for (const button of buttons("[data-sheet-button]")) {
    button.setAttribute("aria-expanded", String(!same && button.dataset.sheetButton === name));
  }
  // Lists that were hidden could not scroll to what is selected.
  emit("selection");
  emit("list");
}

export function startTools() {
  dressButtons();
  slider("brush-size", "brushSize", 1);
  slider("opacity", "opacity", PERCENT);
  slider("brightness", "brightness", PERCENT);
  slider("contrast", "contrast", PERCENT);
  byId("outline-only").addEventListener("change", ({ target }) => setOptions({ outlineOnly: target.checked }));
  byId("hide-labels").addEventListener("change", ({ target }) => setOptions({ hidden: target.checked }));
  byId("negative").addEventListener("change", ({ target }) => setOptions({ negative: target.checked }));
  byId("several").addEventListener("change", ({ target }) => setOptions({ several: target.checked }));
  byId("reset-view").addEventListener("click", () => {
    setOptions({ brightness: 1, contrast: 1, opacity: 0.4, outlineOnly: false, hidden: false });
  });
  byId("new-label").addEventListener("click", () => app.photo?.select([]));
  byId("finish-polygon").addEventListener("click", () => currentTool().enter());
  for (const button of buttons("[data-sheet-button]")) {
    button.addEventListener("click", () => openSheet(button.dataset.sheetButton));
  }
  on("tool", renderTools);
  on("change selection photo", renderState);
  on("options", renderOptions);
  on("busy", () => {
    byId("spinner").hidden = app.busy === 0;
  });
  on("view", () => {
    byId("zoom").textContent = `${Math.round(view.scale * PERCENT)} %`;
  });
  renderTools();
  renderSam();
  renderState();
  renderOptions();
  emit("view");
}
