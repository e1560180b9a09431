// The keyboard: finds the command of a key, and leaves keys alone where they are letters or belong to a control.

import { nudge, selectNext } from "./photo/actions.js";
import { app } from "./app.js";
import { chooseNumber, commands, runCommand } from "./commands.js";
import { crosshairActive, hideCrosshair, moveCrosshair, pressCrosshair } from "./canvas/crosshair.js";
import { singleKeys } from "./dialogs/help.js";
import { byId, isTyping } from "./dom.js";
import { holdSpace } from "./canvas/pointer.js";
import { say } from "./panels/message.js";
import { currentTool } from "./tools/tools.js";

const byKey = new Map(commands.flatMap((command) => command.keys.map((key) => [key, command])));

/** Are Enter, arrows, Tab and the space bar the stage's, and not a button's or slider's? */
function onStage() {
  const { activeElement } = document;
  return activeElement === document.body || activeElement === byId("canvas");
}

/** Many keyboards have signs such as [ behind AltGr, which is Ctrl and Alt on Windows, or behind Option. */
function isSign(event) {
  return event.key.length === 1 && !/[a-z0-9]/i.test(event.key);
}

function nameOf(event) {
  const key = event.key.toLowerCase();
  // Shift is part of a sign such as ? already.
  const shift = event.shiftKey && (key.length > 1 || (key >= "a" && key <= "z"));
  const ctrl = (event.ctrlKey || event.metaKey) && !(event.altKey && isSign(event));
  return (ctrl ? "ctrl+" : "") + (shift ? "shift+" : "") + key;
}

function stageKey(event) {
  if (event.key === " ") {
    holdSpace(true);
    return true;
  }
  if (event.key === "Tab") {
    return !event.ctrlKey && !event.altKey && selectNext(event.shiftKey ? -1 : 1);
  }
  if (event.key.startsWith("Arrow") && app.photo) {
    if (event.altKey) {
      const step = event.key === "ArrowLeft" || event.key === "ArrowUp" ? -1 : 1;
      const across = event.key === "ArrowLeft" || event.key === "ArrowRight";
      if (!nudge(across ? step : 0, across ? 0 : step, event.shiftKey)) say("Select one box first.");
      return true;  // the browser would go a page back
    }
    moveCrosshair(event);
    return true;
  }
  if (event.key === "Enter" && !event.shiftKey) {
    if (event.repeat) return true;
    if (crosshairActive()) pressCrosshair(event);
    else if (!currentTool().enter()) runCommand("accept");
    return true;
  }
  return false;
}

function escape() {
  if (currentTool().cancel() || hideCrosshair()) return;
  if (app.photo?.selection.size > 0) app.photo.select([]);
}

function keydown(event) {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (isTyping(event.target)) byId("canvas").focus();
    else escape();
    return;
  }
  if (isTyping(event.target) || event.isComposing) return;
  if (onStage() && stageKey(event)) {
    event.preventDefault();
    return;
  }
  if (event.altKey && !isSign(event)) return;
  const name = nameOf(event);
  if (name.length === 1 && !singleKeys()) return;
  if (/^[1-9]$/.test(name)) {
    if (!event.repeat) chooseNumber(Number(name));
    return;
  }
  const command = byKey.get(name);
  if (!command || (name === "shift+enter" && document.activeElement.matches("button, a"))) return;
  event.preventDefault();
  if (!event.repeat || command.repeats) runCommand(command.id);
}

export function startKeys() {
  document.addEventListener("keydown", keydown);
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") holdSpace(false);
  });
  window.addEventListener("blur", () => holdSpace(false));
  // After a click on a button the stage has the keys again; who came by Tab stays where they are.
  document.addEventListener("click", (event) => {
    const button = event.detail > 0 && event.target instanceof Element && event.target.closest("button");
    if (!button || document.querySelector("dialog[open]") || isTyping(document.activeElement)) return;
    byId("canvas").focus({ preventScroll: true });
  });
}
