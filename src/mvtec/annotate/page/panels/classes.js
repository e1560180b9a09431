// The class list: choose by click or number, add, rename.

import { chooseCategory } from "../photo/actions.js";
import { api } from "../api.js";
import { app, emit, on } from "../app.js";
import { byId, element } from "../dom.js";
import { icon } from "./icons.js";
import { colourOf, css } from "../canvas/palette.js";
import { say } from "./message.js";

/** The class whose name is being written. */
let renaming = null;

function render() {
  const panel = byId("categories");
  panel.replaceChildren(...app.categories.map(renderCategory));
  if (app.categories.length === 0) panel.append(element("p", { class: "soft", text: "No classes yet. Add the first one below." }));
}

function renderCategory({ id, name }, index) {
  const chosen = id === app.categoryId;
  const swatch = element("i", { class: "swatch", "aria-hidden": "true" });
  swatch.style.background = css(colourOf(id));
  const row = element("div", {
    class: "row-item", role: "group", "aria-label": name, "data-category-id": id, "data-chosen": chosen,
  });
  const renameThis = () => rename(id);
  if (renaming === id) {
    const input = element("input", {
      value: name, "aria-label": `New name of ${name}`, maxlength: "100", onkeydown: (event) => nameKey(event, id),
    });
    row.append(swatch, input);
    queueMicrotask(() => input.select());
    return row;
  }
  row.append(
    element("button", {
      class: "row-main", type: "button", "aria-pressed": String(chosen), title: name,
      onclick: ({ detail }) => {
        chooseCategory(id);
        // The list is new; who chose by key goes on in it.
        if (detail === 0) byId("categories").querySelector(`[data-category-id="${id}"] button`)?.focus();
      },
    }, swatch, element("span", { class: "row-name", text: name }), index < 9 ? element("kbd", { text: String(index + 1) }) : null),
    element("button", {
      class: "icon small", type: "button", title: `Rename ${name}`, "aria-label": `Rename ${name}`, onclick: renameThis,
    }, icon("rename")),
  );
  return row;
}

function rename(id) {
  renaming = id;
  render();
}

async function nameKey(event, id) {
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  event.stopPropagation();
  const name = event.target.value.trim();
  if (event.key === "Enter" && !(await change(() => api.renameCategory(id, name), `Renamed to ${name}.`))) return;
  renaming = null;
  render();
  byId("canvas").focus();
}

async function change(request, words) {
  try {
    const { categories } = await request();
    app.categories = categories;
    say(words);
    emit("categories");
    return true;
  } catch (error) {
    say(error.message);
    return false;
  }
}

async function add(event) {
  event.preventDefault();
  const input = byId("category-name"), name = input.value.trim();
  if (name === "") return;
  const before = new Set(app.categories.map(({ id }) => id));
  if (!(await change(() => api.addCategory(name), `Class ${name} added.`))) return;
  input.value = "";
  const added = app.categories.find(({ id }) => !before.has(id));
  if (added) app.categoryId = added.id;
  emit("categories");
  byId("canvas").focus();
}

/**
 * Takes over the classes as the server has them, unless a name is being written here.
 * @param {{id: number, name: string}[]} categories
 */
export function takeCategories(categories) {
  const same = JSON.stringify(categories) === JSON.stringify(app.categories);
  if (same || renaming !== null || byId("category-name").value !== "") return;
  app.categories = categories;
  if (!categories.some(({ id }) => id === app.categoryId)) app.categoryId = categories[0]?.id ?? null;
  emit("categories");
}

export function startClasses() {
  byId("category-add").addEventListener("submit", add);
  on("categories", render);
  render();
}
