// Class colours: nine that colour-blind people can tell apart (Okabe and Ito; Tol), in the order of the classes.

import { app } from "../app.js";

const COLOURS = [
  [230, 85, 13], [86, 180, 233], [0, 178, 128], [240, 228, 66], [204, 121, 167],
  [230, 159, 0], [60, 120, 216], [170, 221, 119], [187, 187, 187],
];

/** @param {number} categoryId @returns {number[]} red, green, blue, 0 … 255 */
export function colourOf(categoryId) {
  const index = app.categories.findIndex(({ id }) => id === categoryId);
  return COLOURS[(index < 0 ? COLOURS.length - 1 : index) % COLOURS.length];
}

/** @param {number[]} rgb @param {number} [alpha] */
export function css([r, g, b], alpha = 1) {
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}
