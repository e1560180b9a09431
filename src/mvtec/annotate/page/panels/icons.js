// The icons, as paths on a 24 × 24 grid.

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  select: ["M5 3l6 17 2.5-7 7-2.5z"],
  pan: ["M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3"],
  box: ["M4 6h16v12H4z"],
  "sam-box": ["M4 8V5h3M17 5h3v3M20 16v3h-3M7 19H4v-3", "M12 7.5l1.2 3.3 3.3 1.2-3.3 1.2L12 16.5l-1.2-3.3L7.5 12l3.3-1.2z"],
  "sam-points": ["M7 4v6M4 7h6M15 17h6", "M16 3l.9 2.6 2.6.9-2.6.9L16 10l-.9-2.6-2.6-.9 2.6-.9z", "M3.5 20c3-6 7-7 10-7"],
  polygon: ["M12 4l8 6-3 9H7l-3-9z"],
  brush: ["M20 4c-5 2-9 6-11 9l3 3c3-2 6-6 8-12z", "M8 14c-3 0-3 3-5 5 3 1 7 0 8-2z"],
  eraser: ["M14 5l6 6-8 8H8l-4-4z", "M9.5 9.5l6 6M7 20h13"],
  undo: ["M8 5L4 9l4 4M4 9h9a6 6 0 010 12h-3"],
  redo: ["M16 5l4 4-4 4M20 9h-9a6 6 0 000 12h3"],
  next: ["M9 5l7 7-7 7"],
  previous: ["M15 5l-7 7 7 7"],
  "zoom-in": ["M11 4a7 7 0 100 14 7 7 0 000-14zM16 16l5 5M8 11h6M11 8v6"],
  "zoom-out": ["M11 4a7 7 0 100 14 7 7 0 000-14zM16 16l5 5M8 11h6"],
  fit: ["M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"],
  theme: ["M12 4a8 8 0 100 16 8 8 0 000-16z", "M12 4v16M12 8h4.5M12 12h6M12 16h4.5"],
  history: ["M4 5v5h5M4.5 10A8 8 0 114 13M12 8v5l3 2"],
  help: ["M9 9a3 3 0 115 2c-1.5 1-2 1.5-2 3M12 17.5v.5", "M12 3a9 9 0 100 18 9 9 0 000-18z"],
  rename: ["M4 20l1-4L16 5l3 3L8 19z"],
  accept: ["M5 13l4 4L19 7"],
  "accept-all": ["M2 13l4 4 9-10M11 16l1 1 10-10"],
  reject: ["M6 6l12 12M18 6L6 18"],
  delete: ["M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5"],
  merge: ["M9 4a5.5 5.5 0 100 11M15 9a5.5 5.5 0 110 11 5.5 5.5 0 01-5.5-5.5", "M9 4a5.5 5.5 0 015.5 5"],
  components: ["M8 3a4 4 0 100 8 4 4 0 000-8zM16 13a4 4 0 100 8 4 4 0 000-8zM4 20L20 4"],
  "fill-holes": ["M12 3a9 9 0 100 18 9 9 0 000-18zM12 9.5a2.5 2.5 0 100 5 2.5 2.5 0 000-5zM12 9.5v5M10.5 10.2v3.6M13.5 10.2v3.6"],
  outline: ["M5 8l7-4 7 5-2 9-8 2-5-5z", "M5 8h.01M12 4h.01M19 9h.01M17 18h.01M9 20h.01M4 15h.01"],
  add: ["M12 5v14M5 12h14"],
  classes: ["M4 5h7v7H4zM15 5h5M15 9h5M4 16h7v4H4zM15 17h5"],
  labels: ["M4 6h2M9 6h11M4 12h2M9 12h11M4 18h2M9 18h11"],
  view: ["M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12z", "M12 9a3 3 0 100 6 3 3 0 000-6z"],
  photos: ["M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 5"],
  done: ["M3 13l4 4 8-10M13 17h8M18 14l3 3-3 3"],
};

/** @param {string} name @returns {SVGElement} hidden from screen readers: the button has words */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "glyph");
  svg.setAttribute("aria-hidden", "true");
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
