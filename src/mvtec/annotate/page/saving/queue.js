// Saving: one request at a time for each photo, tried again until the server has answered, kept in the browser till then.

import { newKey, toEdit } from "../photo/annotation.js";

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30000;

// Who opens the printed address again in another tab has made the token of this one good too.
const PASSING = new Set([401, 408, 429]);
const FOREIGN = 410;
// A request that the server understood and does not want: sending it again would change nothing.
const isFinal = (status) => status >= 400 && status < 500 && !PASSING.has(status);

/**
 * What is under way for one photo. `sending` is the request out now, `wanted` the newest state that is not in it; page,
 * client and at are those of its record in the browser's storage.
 * @typedef {{photo: import("../photo/open-photo.js").OpenPhoto, page: string, client: string, at: number,
 *   sending: {body: object, snapshot: object} | null, wanted: object | null, failures: number, timer: number,
 *   blocked: "" | "conflict" | "refused" | "foreign", problem: string}} Entry
 */

export class SaveQueue {
  /** @type {Map<string, Entry>} */
  #entries = new Map();

  /**
   * @param {{put: (id: string, body: object) => Promise<object>, store: import("./pending.js").PendingStore,
   *   page: string, client: string, onChange: () => void, onConflict: (photo: object, current: object) => void}} parts
   */
  constructor({ put, store, page, client, onChange, onConflict }) {
    this.put = put;
    this.store = store;
    this.page = page;
    this.client = client;
    this.onChange = onChange;
    this.onConflict = onConflict;
    this.storageProblem = "";
  }

  /** How many photos have changes that the server has not confirmed. */
  get size() {
    return this.#entries.size;
  }

  /** Why something is not saved, for the banner; null while all goes well. */
  get problem() {
    for (const { photo, problem, blocked } of this.#entries.values()) {
      if (problem) return { text: `${photo.name}: ${problem}`, blocked };
    }
    return null;
  }

  has(id) {
    return this.#entries.has(id);
  }

  /** The photo has a new state: it is sent at once, or as soon as the request before it is answered. */
  push(photo) {
    const entry = this.#entry(photo);
    entry.wanted = photo.snapshot;
    if (entry.blocked === "refused") entry.blocked = "";
    this.#keep(entry);
    if (!entry.sending && !entry.blocked) this.#send(entry);
    this.onChange();
  }

  /**
   * Sends a request again that was out when its page was closed, and then what the person wanted last. Its `change`
   * keeps it from counting twice. Which of our geometries it spoke of is not known any more when there was more to come:
   * the answer tells them all.
   * @param {import("../photo/open-photo.js").OpenPhoto} photo shows the record's snapshot
   * @param {import("./pending.js").Pending} record
   */
  resume(photo, { page, client, at, body, more }) {
    const entry = Object.assign(this.#entry(photo), { page, client, at });
    if (body) entry.sending = { body, snapshot: more ? { state: body.state, annotations: [] } : photo.snapshot };
    if (!body || more) entry.wanted = photo.snapshot;
    this.#send(entry);
    this.onChange();
  }

  /** Tries all that waits now, without the delay. */
  retry() {
    for (const entry of this.#entries.values()) {
      if (!entry.timer && entry.blocked !== "refused") continue;
      clearTimeout(entry.timer);
      entry.timer = 0;
      if (entry.blocked === "refused") entry.blocked = "";
      if (!entry.blocked) this.#send(entry);
    }
  }

  /** The person has settled a conflict; `photo` is based on the server's newest revision now. */
  settle(photo, keepMine) {
    const entry = this.#entry(photo);
    entry.sending = null;
    entry.blocked = "";
    entry.problem = "";
    if (keepMine) {
      this.push(photo);
      return;
    }
    this.#done(entry);
  }

  #entry(photo) {
    if (!this.#entries.has(photo.id)) {
      this.#entries.set(photo.id, {
        photo, page: this.page, client: this.client, at: 0, sending: null, wanted: null, failures: 0, timer: 0, blocked: "",
        problem: "",
      });
    }
    return this.#entries.get(photo.id);
  }

  #keep(entry) {
    const { photo, page, client, sending, wanted } = entry;
    // Two within a millisecond are two.
    entry.at = Math.max(Date.now(), entry.at + 1);
    const record = {
      id: photo.id, page, client, revision: photo.revision, body: sending?.body ?? null, more: wanted !== null,
      snapshot: wanted ?? sending.snapshot, at: entry.at,
    };
    this.store.keep(record).catch((error) => {
      this.storageProblem = `this browser keeps no copy of unsaved edits (${error?.message ?? error})`;
      this.onChange();
    });
  }

  #done(entry) {
    const { photo: { id }, page, at } = entry;
    this.#entries.delete(id);
    this.store.forget({ id, page, at }).catch(() => {});
    this.onChange();
  }

  #start(entry) {
    const { photo, wanted } = entry;
    const body = {
      revision: photo.revision,
      change: newKey(),
      client: entry.client,
      state: wanted.state,
      size_wh: [photo.width, photo.height],
      annotations: wanted.annotations.map((annotation) => toEdit(annotation, photo.known(annotation.key))),
    };
    entry.sending = { body, snapshot: wanted };
    entry.wanted = null;
    photo.sending(wanted);
    this.#keep(entry);
  }

  async #send(entry) {
    if (!entry.sending) this.#start(entry);
    const { photo, sending } = entry;
    let answer;
    try {
      answer = await this.put(photo.id, sending.body);
    } catch (error) {
      if (entry.sending === sending) this.#failed(entry, error);
      return;
    }
    if (entry.sending !== sending) return;
    entry.sending = null;
    entry.failures = 0;
    entry.problem = "";
    photo.confirm(answer, sending.snapshot);
    if (entry.wanted) this.#send(entry);
    else this.#done(entry);
    this.onChange();
  }

  #failed(entry, error) {
    entry.problem = error.message;
    if (error.status === 409 && error.current) {
      entry.blocked = "conflict";
      this.onConflict(entry.photo, error.current);
    } else if (error.status === FOREIGN) {
      // It waits in the browser for its own store.
      entry.blocked = "foreign";
    } else if (isFinal(error.status)) {
      // What was changed in the meantime may be what the server wants.
      const newer = entry.wanted !== null;
      entry.wanted ??= entry.sending.snapshot;
      entry.sending = null;
      if (newer) this.#send(entry);
      else entry.blocked = "refused";
    } else {
      entry.failures += 1;
      const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (entry.failures - 1));
      entry.timer = setTimeout(() => {
        entry.timer = 0;
        this.#send(entry);
      }, delay);
    }
    this.onChange();
  }
}
