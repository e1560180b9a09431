// The film strip: thumbnails of the photos near what is scrolled to, and no others; its filters and order.

import { api } from "../api.js";
import { app, on } from "../app.js";
import { byId, element } from "../dom.js";
import { isOpening, leave, list, open, placeAt, position } from "../photo/navigate.js";
import { say } from "./message.js";
import { currentTool } from "../tools/tools.js";

const CELL = 116;
const MARGIN_CELLS = 4;
const TYPING_PAUSE_MS = 250;
const FILTERS = ["filter-category", "filter-state", "filter-only", "filter-text", "order"];
const STATE_SIGN = { good: "✓", reviewed: "✓✓", unsure: "?" };

/** @type {Map<number, HTMLElement>} cells by index */
const cells = new Map();
let asked = false;
let shownPosition = -1;

function render() {
  asked = false;
  const strip = byId("strip"), inner = byId("strip-inner");
  inner.style.width = `${list.total * CELL}px`;
  if (position !== shownPosition && strip.clientWidth > 0) { // hidden in a sheet it cannot scroll
    shownPosition = position;
    const left = position * CELL;
    if (left < strip.scrollLeft + CELL || left > strip.scrollLeft + strip.clientWidth - 2 * CELL) {
      strip.scrollLeft = left - (strip.clientWidth - CELL) / 2;
    }
  }
  const first = Math.max(0, Math.floor(strip.scrollLeft / CELL) - MARGIN_CELLS);
  const last = Math.min(list.total - 1, Math.ceil((strip.scrollLeft + strip.clientWidth) / CELL) + MARGIN_CELLS);
  for (const [index, cell] of cells) {
    if (index < first || index > last) {
      cell.remove();
      cells.delete(index);
    }
  }
  for (let index = first; index <= last; index += 1) fillCell(index);
  byId("strip-count").textContent = list.total === 0 ? "no photos" : `${Math.min(position + 1, list.total)} of ${list.total}`;
  const shown = isOpening() ? "…" : Math.min(position + 1, list.total);  // beside the name of the photo that is shown
  byId("position").textContent = list.total === 0 ? "" : `${shown} / ${list.total}`;
}

function askRender() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(render);
}

function newCell(index) {
  const cell = element("div", { class: "cell", role: "option", tabindex: "-1" },
    element("img", { alt: "", draggable: "false", loading: "eager", onerror: (event) => event.target.classList.add("spoilt") }),
    element("span", { class: "cell-name" }, element("bdi")),
    element("span", { class: "cell-marks" }),
  );
  cell.style.transform = `translateX(${index * CELL}px)`;
  cell.addEventListener("click", () => openAt(index));
  byId("strip-inner").append(cell);
  cells.set(index, cell);
  return cell;
}

async function openAt(index) {
  const row = await list.at(index);
  if (row) leave(() => open(row, index));
}

function fillCell(index) {
  const cell = cells.get(index) ?? newCell(index);
  const row = list.peek(index);
  const current = index === position && (!row || !app.photo || row.id === app.photo.id || !app.ready);
  cell.setAttribute("aria-selected", current);
  cell.setAttribute("aria-setsize", list.total);
  cell.setAttribute("aria-posinset", index + 1);
  cell.id = `cell-${index}`;
  if (current) byId("strip").setAttribute("aria-activedescendant", cell.id);
  if (!row) return;
  const [image, name, marks] = cell.children;
  if (cell.dataset.photoId !== String(row.id) || cell.dataset.version !== row.version) {
    cell.dataset.photoId = row.id;
    cell.dataset.version = row.version;
    image.classList.remove("spoilt");
    image.src = api.thumbAddress(row.id, row.version);
    name.firstElementChild.textContent = row.name.split("/").slice(-2).join("/");
    cell.title = row.name;
  }
  const parts = [STATE_SIGN[row.state], row.labels > 0 ? `${row.labels}` : null, row.proposals > 0 ? `+${row.proposals}?` : null];
  marks.textContent = parts.filter(Boolean).join(" ");
  marks.dataset.state = row.state ?? "";
  const labels = `${row.labels} labels, ${row.proposals} proposals`;
  cell.setAttribute("aria-label", `${row.name}, ${row.state ?? "no mark"}, ${labels}`);
}

function query() {
  const wanted = {
    order: byId("order").value, category: byId("filter-category").value, state: byId("filter-state").value,
    only: byId("filter-only").value, q: byId("filter-text").value.trim(),
  };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== ""));
}

/** Asks for the list as the filters say, and opens its first photo unless the open one is in it. */
export async function applyFilters() {
  let at, first;
  try {
    if (!(await list.reset(query()))) return;
    at = app.photo ? list.indexOf(app.photo.id) : -1;
    first = at < 0 ? await list.next(0, 1) : null;
  } catch (error) {
    say(`The list cannot be fetched: ${error.message}`);
    return;
  }
  const active = FILTERS.slice(0, 4).some((id) => byId(id).value !== "");
  byId("filter-clear").hidden = !active;
  for (const cell of cells.values()) cell.remove();
  cells.clear();
  byId("strip").scrollLeft = 0;
  shownPosition = -1;
  if (at >= 0) placeAt(at);
  else if (first) {
    if (currentTool().unfinished()) placeAt(-1);  // it stays open, before the first of the list
    await leave(() => open(first.row, first.index, { unasked: true }));
  } else say("No photo passes the filters.");
  askRender();
}

function fillCategoryFilter() {
  const filter = byId("filter-category"), { value } = filter;
  filter.replaceChildren(element("option", { value: "", text: "all classes" }));
  for (const { id, name } of app.categories) filter.append(element("option", { value: id, text: name }));
  filter.value = value;
}

function stripKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
  const target = event.key === "Home" ? 0 : event.key === "End" ? list.total - 1 : step ? position + step : null;
  if (target === null) return;
  event.preventDefault();
  event.stopPropagation();
  openAt(Math.min(list.total - 1, Math.max(0, target)));
}

// After a choice by mouse the stage has the keys again: in a list, letters choose. Who came by Tab stays.
function giveKeysBack(select) {
  let byPointer = false;
  select.addEventListener("pointerdown", () => {
    byPointer = true;
  });
  select.addEventListener("keydown", () => {
    byPointer = false;
  });
  select.addEventListener("change", () => {
    if (byPointer) byId("canvas").focus({ preventScroll: true });
  });
}

export function startStrip() {
  const strip = byId("strip");
  strip.addEventListener("scroll", askRender, { passive: true });
  strip.addEventListener("keydown", stripKey);
  strip.addEventListener("wheel", (event) => {
    if (event.deltaX !== 0) return;
    event.preventDefault();
    strip.scrollLeft += event.deltaY;
  }, { passive: false });
  new ResizeObserver(askRender).observe(strip);
  let timer = 0;
  for (const id of FILTERS) {
    byId(id).addEventListener(id === "filter-text" ? "input" : "change", () => {
      clearTimeout(timer);
      timer = setTimeout(applyFilters, id === "filter-text" ? TYPING_PAUSE_MS : 0);
    });
  }
  for (const id of FILTERS.filter((one) => one !== "filter-text")) giveKeysBack(byId(id));
  byId("filter-clear").addEventListener("click", () => {
    for (const id of FILTERS.slice(0, 4)) byId(id).value = "";
    applyFilters();
  });
  on("list photo", askRender);
  on("categories", fillCategoryFilter);
  fillCategoryFilter();
}
