// The tools by name, and what a tool is.

import { app } from "../app.js";
import { box } from "./box.js";
import { brush, eraser } from "./brush.js";
import { polygon } from "./polygon.js";
import { samBox, samPoints } from "./sam.js";
import { pan, select } from "./select.js";

/**
 * Where a pointer or the crosshair is. x, y: photo pixels; sx, sy: CSS pixels of the stage; slack: how near is near,
 * in photo pixels; negative: a point that says "not this".
 * @typedef {{x: number, y: number, sx: number, sy: number, slack: number, negative: boolean, alt: boolean,
 *   shift: boolean, coarse: boolean}} Point
 */
/**
 * @typedef {{takesSecondButton: boolean, down: (point: Point) => void,
 *   move: (point: Point, all: Point[]) => void, up: (point: Point) => void, hover: (point: Point) => void,
 *   leave: () => void, holds: () => boolean, cancel: () => boolean, release: () => void, unfinished: () => string,
 *   undo: () => boolean, enter: () => boolean, remove: () => boolean,
 *   paint: (context: CanvasRenderingContext2D) => void}} Tool
 * holds: is something held that the crosshair's next Enter lets go? release: the press was none, such as the first finger
 * of a pinch. unfinished: what has been begun and is no label yet, in words. cancel, enter, remove and undo answer whether
 * the tool had something to give up, to finish, to take out, to take back.
 */

const tools = { select, pan, box, "sam-box": samBox, "sam-points": samPoints, polygon, brush, eraser };

/** @returns {Tool} */
export function currentTool() {
  return tools[app.tool];
}

export { eraser };
