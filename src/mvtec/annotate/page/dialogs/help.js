// The keyboard help: every command and its keys.

import { byId, element } from "../dom.js";
import { keyName } from "../key-names.js";

const KEY = "mvtec:single-keys";

/** Are letters, digits and signs commands by themselves? Who speaks to the computer, or hits keys unmeant, turns that off. */
export function singleKeys() {
  return localStorage.getItem(KEY) !== "off";
}

const STAGE_KEYS = [
  ["1 … 9", "Choose a class; the selected labels get it too"],
  ["Tab / Shift+Tab", "Next and previous label"],
  ["Enter", "Accept the proposal; close the polygon; with the crosshair: set a corner or point"],
  ["Arrows", "Show and move the crosshair; Shift: bigger steps; Alt+Enter: a negative point"],
  ["Alt+arrows", "Move the selected box; with Shift: its right and lower side"],
  ["Escape", "Give up what was begun; deselect; put the crosshair away"],
  ["Wheel / pinch", "Zoom"],
  ["Space+drag / middle button / two fingers", "Pan"],
  ["right click / Alt+click / pen button", "SAM points: a negative point"],
  ["Shift+click", "Select several labels; again takes one out"],
  ["Shift+arrows", "In the list of labels: select several"],
  ["drag an edge", "Polygon: add a vertex"],
  ["Alt+click a vertex", "Polygon: delete it"],
];

function keysOf(text) {
  return element("dt", {}, ...text.split(" / ").map((key) => element("kbd", { text: key })));
}

function section(title, rows) {
  return element("section", {}, element("h3", { text: title }),
    element("dl", { class: "keys" }, ...rows.flatMap(([keys, words]) => [keysOf(keys), element("dd", { text: words })])));
}

export function openHelp() {
  byId("help").showModal();
}

/** @param {{group: string, keys: string[], label: string}[]} commands in the order in which the dialog lists them */
export function startHelp(commands) {
  const groups = [...new Set(commands.map(({ group }) => group))];
  byId("help-body").append(section("On the photo", STAGE_KEYS), ...groups.map((group) => section(group,
    commands.filter((command) => command.group === group).map(({ keys, label }) => [keys.map(keyName).join(" / "), label]))));
  const box = byId("single-keys");
  box.checked = singleKeys();
  box.addEventListener("change", () => localStorage.setItem(KEY, box.checked ? "on" : "off"));
}
