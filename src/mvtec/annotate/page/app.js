// What all parts of the page share: the session, the open photo, the tool and its settings, and who wants to know.

const listeners = new Map();

/**
 * Calls `listener` at each event of these names: "photo" (another one is open), "change" (its labels or state),
 * "selection", "tool", "categories", "options" (how things are drawn), "view" (zoom and place), "busy".
 * @param {string} names separated by spaces
 * @param {() => void} listener
 */
export function on(names, listener) {
  for (const name of names.split(" ")) {
    if (!listeners.has(name)) listeners.set(name, []);
    listeners.get(name).push(listener);
  }
}

/** @param {string} name */
export function emit(name) {
  for (const listener of listeners.get(name) ?? []) listener();
}

export const app = {
  /** @type {object} the answer of /api/session */
  session: null,
  /** @type {{id: number, name: string}[]} */
  categories: [],
  /** The class of what is drawn next. */
  categoryId: null,
  /** @type {import("./photo/open-photo.js").OpenPhoto | null} */
  photo: null,
  /** @type {import("./saving/queue.js").SaveQueue} */
  queue: null,
  tool: "select",
  /** brushSize: diameter in photo pixels; several: a click adds to the selection; brightness and contrast: 1 is as the photo is. */
  options: { brushSize: 15, opacity: 0.4, outlineOnly: false, hidden: false, negative: false, several: false, brightness: 1, contrast: 1 },
  /** How many answers of SAM are under way. */
  busy: 0,
  ready: false,
};

/** Names the class of an annotation. */
export function categoryName(id) {
  return app.categories.find((category) => category.id === id)?.name ?? `class ${id}`;
}

export function setTool(name) {
  if (app.tool === name) return;
  app.tool = name;
  emit("tool");
}

export function setOptions(changes) {
  Object.assign(app.options, changes);
  emit("options");
}

/** Shows that something is being waited for while `promise` runs. The page stays usable. */
export async function whileBusy(promise) {
  app.busy += 1;
  emit("busy");
  try {
    return await promise;
  } finally {
    app.busy -= 1;
    emit("busy");
  }
}
