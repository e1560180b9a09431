// The list of the photo's labels, and where the selected one comes from.

import { selectNext } from "../photo/actions.js";
import { app, categoryName, on } from "../app.js";
import { byId, element } from "../dom.js";
import { colourOf, css } from "../canvas/palette.js";

const SOURCES = { person: "drawn by a person", sam: "SAM", detector: "detector", anomaly: "anomaly model" };

/** @param {{score: number | null, attributes: object}} annotation */
function certainty({ score, attributes }) {
  const parts = [];
  if (score !== null) parts.push(score.toFixed(2));
  if (typeof attributes.predicted_iou === "number") parts.push(`IoU ${attributes.predicted_iou.toFixed(2)}`);
  return parts.join(", ");
}

function render() {
  const { photo } = app, panel = byId("annotations");
  const annotations = photo?.annotations ?? [];
  panel.replaceChildren(...annotations.map((annotation) => renderAnnotation(annotation, photo)));
  if (photo && annotations.length === 0) panel.append(element("p", { class: "soft", text: "No labels on this photo." }));
  const proposals = annotations.filter(({ proposed }) => proposed).length;
  byId("annotation-count").textContent = photo ? `${annotations.length - proposals}${proposals > 0 ? ` + ${proposals} proposed` : ""}` : "";
  renderDetails(photo?.selected ?? []);
  const first = panel.querySelector("[aria-selected=true]");
  first?.scrollIntoView({ block: "nearest" });
  if (first) panel.setAttribute("aria-activedescendant", first.id);
  else panel.removeAttribute("aria-activedescendant");
}

function renderAnnotation(annotation, photo) {
  const { key, category_id, proposed, geometry, attributes } = annotation;
  const selected = photo.selection.has(key), name = categoryName(category_id);
  const swatch = element("i", { class: proposed ? "swatch dashed" : "swatch", "aria-hidden": "true" });
  swatch.style.setProperty("--swatch", css(colourOf(category_id)));
  const source = attributes.source ?? "", sure = annotation.score ?? attributes.predicted_iou;
  const about = [proposed ? "proposed" : geometry.kind, source, certainty(annotation), attributes.reviewed ? "reviewed" : ""]
    .concat(geometry.problem ?? "").filter(Boolean).join(", ");
  const number = typeof sure === "number" ? sure.toFixed(2) : "", sign = attributes.reviewed ? "✓" : "";
  const brief = [geometry.problem ? "⚠" : "", geometry.kind, source === "person" ? "" : source, number, sign].filter(Boolean).join(" ");
  return element("div", {
    class: "row-item row-main", role: "option", id: `label-${key}`, "aria-selected": String(selected), "aria-label": `${name}, ${about}`,
    "data-key": key, "data-proposed": String(proposed),
    onclick: (event) => choose(key, event.shiftKey || event.ctrlKey || event.metaKey || app.options.several),
  }, swatch, element("span", { class: "row-name", text: proposed ? `${name} ?` : name }),
  element("span", { class: "soft row-about", text: brief, title: about }));
}

function choose(key, more) {
  const { photo } = app;
  if (!more) {
    photo.select([key]);
    return;
  }
  const keys = new Set(photo.selection);
  if (!keys.delete(key)) keys.add(key);
  photo.select(keys);
}

function renderDetails(selected) {
  const panel = byId("details");
  panel.hidden = selected.length === 0;
  if (selected.length === 0) return;
  const rows = selected.length === 1 ? detailsOf(selected[0]) : [["selected", `${selected.length} labels`]];
  panel.replaceChildren(...rows.flatMap(([term, text]) => [element("dt", { text: term }), element("dd", { text })]));
}

function detailsOf({ geometry, score, attributes, proposed }) {
  const { bbox, area, kind } = geometry;
  const number = (value) => (typeof value === "number" ? value.toFixed(3) : null);
  const source = SOURCES[attributes.source] ?? attributes.source;
  return [
    ["problem", geometry.problem],
    ["shape", `${kind}, ${Math.round(area)} px`],
    ["box", bbox.map((value) => Math.round(value * 10) / 10).join(", ")],
    ["source", source ? `${source}${attributes.edited ? ", edited" : ""}` : null],
    ["model", attributes.model],
    ["score", number(score)],
    ["predicted IoU", number(attributes.predicted_iou)],
    ["stability", number(attributes.stability)],
    ["state", proposed ? "proposed, not accepted yet" : attributes.reviewed ? "reviewed" : "not reviewed"],
  ].filter(([, text]) => text !== null && text !== undefined && text !== "").map(([term, text]) => [term, String(text)]);
}

let asked = false;

export function startAnnotations() {
  byId("annotations").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    selectNext(step, event.shiftKey || app.options.several);
  });
  // One list for a burst of changes, in the frame that shows them.
  on("change selection categories photo", () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      render();
    });
  });
}
