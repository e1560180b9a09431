// What eslint checks in the page: mistakes, not style.

import js from "@eslint/js";

const browser = ["AbortSignal", "Blob", "CanvasRenderingContext2D", "DOMException", "Element", "Event", "HTMLElement", "Image", "ImageBitmap",
  "IDBKeyRange", "KeyboardEvent", "Node", "OffscreenCanvas", "Path2D", "ImageData", "ResizeObserver", "IntersectionObserver", "URLSearchParams",
  "cancelAnimationFrame", "clearInterval", "clearTimeout", "createImageBitmap", "crypto", "devicePixelRatio", "document", "fetch",
  "getComputedStyle", "history", "indexedDB", "localStorage", "location", "matchMedia", "navigator", "performance",
  "requestAnimationFrame", "queueMicrotask", "requestIdleCallback", "sessionStorage", "setInterval", "setTimeout", "window"];

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: Object.fromEntries(browser.map((name) => [name, "readonly"])) },
    rules: { eqeqeq: "error", "no-var": "error", "prefer-const": "error", "no-shadow": "error", "no-unused-vars": ["error", { caughtErrors: "none" }] },
  },
  { files: ["tests/**/*.js"], languageOptions: { globals: { URL: "readonly", setImmediate: "readonly" } } },
];
