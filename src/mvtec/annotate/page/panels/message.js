// Short words to the person: shown for a moment, and read out by screen readers.

import { byId } from "../dom.js";

let timer = 0;

/** Takes the words away: they were about something else. */
export function quiet() {
  byId("said").classList.remove("shown");
}

/** @param {string} text @param {{lasting?: boolean}} [how] lasting: until the next word */
export function say(text, { lasting = false } = {}) {
  const live = byId("said");
  // The same words twice are read out twice only when the text was empty in between.
  live.textContent = "";
  requestAnimationFrame(() => {
    live.textContent = text;
  });
  live.classList.add("shown");
  clearTimeout(timer);
  if (!lasting) timer = setTimeout(() => live.classList.remove("shown"), 2500 + 30 * text.length);
}
