// The server's paths, and what goes wrong on the way to it.

/** An answer that is not a success. `status` is 0 when the server was not reached. */
export class ApiError extends Error {
  constructor(status, detail, current = null) {
    super(detail);
    this.status = status;
    this.current = current;
  }
}

/** A server that is stopped, or behind a network that is gone, would be waited for without end. */
const PATIENCE_MS = 30_000;
/** Large photos and masks take long on a slow network, and SAM reads its model before it answers for the first time. */
const PATIENCE_FOR_WORK_MS = 180_000;

const UNREACHED = "the server does not answer (has `mvtec annotate` stopped?)";

/** Statuses with words of their own here. */
const WORDS = {
  401: "the token of this page is no longer valid: open the address that mvtec annotate printed",
  410: "this page belongs to another annotation file; reload it",
};

/** The working store that this page belongs to; null until the session has named it. */
let store = null;
let foreign = false;

/** From now on each request says which store it means: another may be served here tomorrow. @param {string} name */
export function belongTo(name) {
  store = name;
}

/** Does the server serve another store by now? Then nothing of this page may reach it. */
export function isForeign() {
  return foreign;
}

/** @param {string} path @param {RequestInit & {patience?: number}} options patience: milliseconds to wait for an answer */
async function request(path, { patience = PATIENCE_MS, ...options } = {}) {
  if (foreign) throw new ApiError(410, WORDS[410]);
  const headers = store === null ? options.headers : { ...options.headers, "X-Mvtec-Store": store };
  let response;
  try {
    response = await fetch(path, { ...options, headers, signal: AbortSignal.timeout(patience) });
  } catch {
    throw new ApiError(0, UNREACHED);
  }
  if (response.ok) return response;
  let detail = `the server answered ${response.status}`, current = null;
  try {
    const problem = await response.json();
    if (typeof problem.detail === "string") detail = problem.detail;
    current = problem.current ?? null;
  } catch {
    // Not JSON: the status says enough.
  }
  if (response.status === 410) foreign = true;
  throw new ApiError(response.status, WORDS[response.status] ?? detail, current);
}

/** What a response holds; the network may go, or patience end, before all of it has come. */
async function bodyOf(response, how) {
  try {
    return await response[how]();
  } catch {
    throw new ApiError(0, UNREACHED);
  }
}

async function json(path, options) {
  return bodyOf(await request(path, options), "json");
}

/** Browsers let requests of up to 64 KiB in all outlive their page. */
const SMALL = 20000;

function send(method, path, body, patience) {
  const text = JSON.stringify(body);
  // A change made just before the tab closes still arrives.
  const keepalive = method === "PUT" && text.length < SMALL;
  return request(path, { method, headers: { "Content-Type": "application/json" }, body: text, keepalive, patience });
}

async function sendForJson(method, path, body, patience) {
  return bodyOf(await send(method, path, body, patience), "json");
}

const photo = (id) => `/api/photos/${encodeURIComponent(id)}`;

export const api = {
  session: () => json("/api/session"),
  save: () => sendForJson("POST", "/api/save", {}, PATIENCE_FOR_WORK_MS),
  here: (client, id) => sendForJson("POST", "/api/here", { client, photo: id }),
  photos: (query) => json(`/api/photos?${new URLSearchParams(query)}`),
  rows: (ids) => sendForJson("POST", "/api/rows", { ids }),
  photo: (id) => json(photo(id)),
  put: (id, body) => sendForJson("PUT", photo(id), body, PATIENCE_FOR_WORK_MS),
  history: (id) => json(`${photo(id)}/history`),
  version: (id, revision) => json(`${photo(id)}/history/${encodeURIComponent(revision)}`),
  imageAddress: (id, version) => `${photo(id)}/image?v=${encodeURIComponent(version)}`,
  thumbAddress: (id, version) => `${photo(id)}/thumb?v=${encodeURIComponent(version)}`,
  image: async (id, version) => bodyOf(await request(api.imageAddress(id, version), { patience: PATIENCE_FOR_WORK_MS }), "blob"),
  prepare: (id, next) => send("POST", `${photo(id)}/prepare`, { next }),
  sam: (client, id, box, points) => sendForJson("POST", `${photo(id)}/sam`, { client, box, points }, PATIENCE_FOR_WORK_MS),
  shapes: (id, operation, masks) => sendForJson("POST", `${photo(id)}/shapes`, { operation, masks }, PATIENCE_FOR_WORK_MS),
  addCategory: (name) => sendForJson("POST", "/api/categories", { name }),
  renameCategory: (id, name) => sendForJson("PATCH", `/api/categories/${encodeURIComponent(id)}`, { name }),
};
