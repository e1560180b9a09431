// The pressed pointer: what it does until it is released, and whether the person holds something.

import { currentTool } from "../tools/tools.js";

/** @typedef {{pointer: number, tool?: import("../tools/tools.js").Tool, pan?: {sx: number, sy: number}}} Press */

/** @type {Press | null} */
export let press = null;

/** @param {Press | null} next null: the pointer was released */
export function setPress(next) {
  press = next;
}

/** Is something under way on the stage that must not lose the label it began on? */
export function handsBusy() {
  return press !== null || currentTool().holds();
}
