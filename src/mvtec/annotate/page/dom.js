// Builds elements without markup, so that no name of a photo or class is ever read as HTML.

/**
 * @param {string} tag
 * @param {object} [attributes] `text` is the text; `onclick` and the like are listeners; true and false set or leave out
 * @param {...(Node | string | null)} children
 * @returns {any} the element, of the kind that `tag` names
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** @param {string} id in index.html, which says what kind of element it is @returns {any} the element */
export function byId(id) {
  return document.getElementById(id);
}

/** Is the person writing, so that keys are letters and no commands? */
export function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input:not([type=range]):not([type=checkbox]), textarea, select");
}

/** @param {string} selector of buttons @returns {NodeListOf<HTMLButtonElement>} */
export function buttons(selector) {
  return document.querySelectorAll(selector);
}
