// Every command with its keys and its words: the keyboard, the help page and the tooltips all read this list.

import { accept, acceptAll, chooseCategory, redo, reject, remove, reshape, selectAll } from "./photo/actions.js";
import { app, setOptions, setTool } from "./app.js";
import { clamp } from "./canvas/geometry.js";
import { openHelp } from "./dialogs/help.js";
import { openHistory } from "./dialogs/history.js";
import { keyName } from "./key-names.js";
import { doneAndNext, isMeant, markFinished, markUnsure, noDefectAndNext, undoLast } from "./photo/marks.js";
import { goBy, leave, nextWithout } from "./photo/navigate.js";
import { say } from "./panels/message.js";
import { writeFile } from "./panels/status.js";
import { view, viewChanged } from "./canvas/stage.js";
import { currentTool } from "./tools/tools.js";

function zoomBy(factor) {
  view.zoom(factor);
  viewChanged();
}

function resizeBrush(direction) {
  const size = app.options.brushSize, step = Math.max(1, Math.round(size * 0.15));
  setOptions({ brushSize: clamp(size + direction * step, 1, 500) });
  say(`Brush ${app.options.brushSize} px.`);
}

/** Delete first takes back what the tool has in hand: a vertex, a point. */
function removeFirst() {
  if (!currentTool().remove()) remove();
}

/** Ctrl+Z first takes back what is being drawn: a vertex, a point without an answer, a drag. */
function undoFirst() {
  const tool = currentTool();
  if (!tool.undo() && !(tool.holds() && tool.cancel())) undoLast();
}

/** Takes another tool, unless something drawn would be lost. */
function takeTool(name) {
  const words = name === app.tool ? "" : currentTool().unfinished();
  if (words) say(words);
  else setTool(name);
}

function toggle(name, on, off) {
  return () => {
    setOptions({ [name]: !app.options[name] });
    say(app.options[name] ? on : off);
  };
}

/**
 * `keys` as `KeyboardEvent.key` in small letters, with "ctrl+" (Ctrl or ⌘) and "shift+" before; the first is shown.
 * repeats: does it go on while the key is held down? What marks or removes does not. changes: does it change the labels or
 * the mark of the photo that is shown? goesOn: does it open the next photo as well?
 * @type {{id: string, group: string, keys: string[], label: string, run: () => void, repeats?: boolean, changes?: boolean,
 *   goesOn?: boolean}[]}
 */
export const commands = [
  { id: "tool-select", group: "Tools", keys: ["v"], label: "Select, move, resize; vertices of a polygon", run: () => takeTool("select") },
  { id: "tool-pan", group: "Tools", keys: ["h"], label: "Pan", run: () => takeTool("pan") },
  { id: "tool-box", group: "Tools", keys: ["r"], label: "Box", run: () => takeTool("box") },
  { id: "tool-sam-box", group: "Tools", keys: ["s"], label: "SAM: box to mask", run: () => setSam("sam-box") },
  { id: "tool-sam-points", group: "Tools", keys: ["d"], label: "SAM: points to mask", run: () => setSam("sam-points") },
  { id: "tool-polygon", group: "Tools", keys: ["p"], label: "Polygon", run: () => takeTool("polygon") },
  { id: "tool-brush", group: "Tools", keys: ["b"], label: "Brush", run: () => takeTool("brush") },
  { id: "tool-eraser", group: "Tools", keys: ["e"], label: "Eraser", run: () => takeTool("eraser") },
  { id: "smaller", group: "Tools", keys: ["["], label: "Smaller brush", run: () => resizeBrush(-1), repeats: true },
  { id: "larger", group: "Tools", keys: ["]"], label: "Larger brush", run: () => resizeBrush(1), repeats: true },

  { id: "accept", group: "Labels", keys: ["a"], label: "Accept the proposal, go to the next", run: accept, changes: true },
  { id: "reject", group: "Labels", keys: ["x"], label: "Reject the proposal", run: reject, changes: true },
  { id: "accept-all", group: "Labels", keys: ["shift+a"], label: "Accept all proposals of the photo", run: acceptAll, changes: true },
  { id: "delete", group: "Labels", keys: ["delete", "backspace"], label: "Delete the label, vertex or point", run: removeFirst, changes: true },
  { id: "select-all", group: "Labels", keys: ["ctrl+a"], label: "Select all labels", run: selectAll },
  { id: "merge", group: "Labels", keys: ["m"], label: "Merge the selected labels", run: () => reshape("merge"), changes: true },
  { id: "components", group: "Labels", keys: ["c"], label: "Split into connected components", run: () => reshape("components"), changes: true },
  { id: "fill-holes", group: "Labels", keys: ["l"], label: "Fill holes", run: () => reshape("fill-holes"), changes: true },
  { id: "outline", group: "Labels", keys: ["o"], label: "Mask to polygon", run: () => reshape("outline"), changes: true },
  { id: "undo", group: "Labels", keys: ["ctrl+z"], label: "Undo, also the mark of the photo before", run: undoFirst, repeats: true },
  { id: "redo", group: "Labels", keys: ["ctrl+shift+z", "ctrl+y"], label: "Redo", run: redo, repeats: true },

  { id: "done", group: "Photo", keys: ["shift+enter"], label: "Done: mark a photo with labels reviewed, next photo", run: doneAndNext, changes: true, goesOn: true },
  { id: "no-defect", group: "Photo", keys: ["shift+g"], label: "No defect: mark good, next photo", run: noDefectAndNext, changes: true, goesOn: true },
  { id: "next", group: "Photo", keys: [".", "pagedown"], label: "Next photo", run: () => leave(() => goBy(1)), repeats: true },
  { id: "previous", group: "Photo", keys: [",", "pageup"], label: "Previous photo", run: () => leave(() => goBy(-1)), repeats: true },
  { id: "next-open", group: "Photo", keys: ["n"], label: "Next photo without a mark", run: () => leave(nextWithout) },
  { id: "good", group: "Photo", keys: ["g"], label: "Mark good", run: () => markFinished("good"), changes: true },
  { id: "reviewed", group: "Photo", keys: ["w"], label: "Mark reviewed", run: () => markFinished("reviewed"), changes: true },
  { id: "unsure", group: "Photo", keys: ["u"], label: "Mark unsure", run: markUnsure, changes: true },
  { id: "write", group: "Photo", keys: ["ctrl+s"], label: "Write the annotation file now", run: writeFile },
  { id: "history", group: "Photo", keys: ["y"], label: "History of the photo", run: openHistory },

  { id: "fit", group: "View", keys: ["f"], label: "Fit the photo", run: () => { view.fit(); viewChanged(); } },
  { id: "zoom-in", group: "View", keys: ["+", "="], label: "Zoom in", run: () => zoomBy(1.25), repeats: true },
  { id: "zoom-out", group: "View", keys: ["-"], label: "Zoom out", run: () => zoomBy(0.8), repeats: true },
  { id: "outline-only", group: "View", keys: ["k"], label: "Outlines only", run: toggle("outlineOnly", "Outlines only.", "Filled.") },
  { id: "hide", group: "View", keys: ["i"], label: "Hide the labels", run: toggle("hidden", "Labels hidden.", "Labels shown.") },
  { id: "help", group: "View", keys: ["?"], label: "This help", run: openHelp },
];

function setSam(tool) {
  const { available, reason } = app.session.sam;
  if (available) takeTool(tool);
  else say(`SAM is not there: ${reason}`);
}

/** Number keys choose classes. @param {number} number 1 … 9 */
export function chooseNumber(number) {
  const category = app.categories[number - 1];
  if (category) chooseCategory(category.id);
}

/** @param {string} id @returns {string} the words for a tooltip: what it does, and its key */
export function tooltip(id) {
  const command = commands.find((one) => one.id === id);
  return `${command.label} (${keyName(command.keys[0])})`;
}

/**
 * @param {string} id
 * @param {{pressedOn?: number | null, again?: boolean}} [how] pressedOn: the photo that was shown when the button went down;
 *   again: it is the second click of a double click
 */
export function runCommand(id, { pressedOn, again = false } = {}) {
  const { run, changes, goesOn } = commands.find((command) => command.id === id);
  if (again && goesOn) say("A double click counts once.");
  else if (!changes || isMeant(pressedOn)) run();
}
