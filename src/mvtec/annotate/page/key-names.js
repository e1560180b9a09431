// The names of keys as people read them.

const NAMES = { pagedown: "PageDown", pageup: "PageUp" };

/** @param {string} key as in `commands` @returns {string} for people */
export function keyName(key) {
  if (key === "+") return key;
  return key.split("+").map((part) => NAMES[part] ?? part[0].toUpperCase() + part.slice(1)).join("+");
}
