// The server's paths, and what goes wrong on the way to it.

/** An answer that is not a success. `status` is 0 when the server was not reached. */
export class ApiError extends Error {
  constructor(status, detail, current = null) {
    super(detail);
    this.status = status;
    this.current = current;
  }
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the server does not answer (has `mvtec annotate` stopped?)");
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
  throw new ApiError(response.status, detail, current);
}

async function json(path, options) {
  return (await request(path, options)).json();
}

/** Browsers let requests of up to 64 KiB in all outlive their page. */
const SMALL = 20000;

function send(method, path, body) {
  const text = JSON.stringify(body);
  // A change made just before the tab closes still arrives.
  const keepalive = method === "PUT" && text.length < SMALL;
  return request(path, { method, headers: { "Content-Type": "application/json" }, body: text, keepalive });
}

async function sendForJson(method, path, body) {
  return (await send(method, path, body)).json();
}

const photo = (id) => `/api/photos/${encodeURIComponent(id)}`;

export const api = {
  session: () => json("/api/session"),
  save: () => sendForJson("POST", "/api/save", {}),
  here: (client, id) => sendForJson("POST", "/api/here", { client, photo: id }),
  photos: (query) => json(`/api/photos?${new URLSearchParams(query)}`),
  photo: (id) => json(photo(id)),
  put: (id, body) => sendForJson("PUT", photo(id), body),
  history: (id) => json(`${photo(id)}/history`),
  version: (id, revision) => json(`${photo(id)}/history/${encodeURIComponent(revision)}`),
  imageAddress: (id, version) => `${photo(id)}/image?v=${encodeURIComponent(version)}`,
  thumbAddress: (id, version) => `${photo(id)}/thumb?v=${encodeURIComponent(version)}`,
  image: async (id, version) => (await request(api.imageAddress(id, version))).blob(),
  prepare: (id, next) => send("POST", `${photo(id)}/prepare`, { next }),
  sam: (id, box, points) => sendForJson("POST", `${photo(id)}/sam`, { box, points }),
  shapes: (id, operation, masks) => sendForJson("POST", `${photo(id)}/shapes`, { operation, masks }),
  addCategory: (name) => sendForJson("POST", "/api/categories", { name }),
  renameCategory: (id, name) => sendForJson("PATCH", `/api/categories/${encodeURIComponent(id)}`, { name }),
};
