// Saving: one request at a time for each photo, tried again until the server has answered, kept in the browser till then.

import { newKey, toEdit } from "./annotation.js";

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30000;

// A request that the server understood and does not want: sending it again would change nothing.
const isFinal = (status) => status >= 400 && status < 500 && status !== 408 && status !== 429;

/**
 * What is under way for one photo. `sending` is the request out now, `wanted` the newest state that is not in it.
 * @typedef {{photo: import("./photo.js").OpenPhoto, sending: {body: object, snapshot: object} | null,
 *   wanted: object | null, failures: number, timer: number, blocked: "" | "conflict" | "refused", problem: string}} Entry
 */

export class SaveQueue {
  /** @type {Map<string, Entry>} */
  #entries = new Map();

  /**
   * @param {{put: (id: string, body: object) => Promise<object>, store: import("./pending.js").PendingStore,
   *   client: string, onChange: () => void, onConflict: (photo: object, current: object) => void}} parts
   */
  constructor({ put, store, client, onChange, onConflict }) {
    Object.assign(this, { put, store, client, onChange, onConflict });
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
   * Sends a request again that was out when the page was closed, and then what the person wanted last. Its `change`
   * keeps it from counting twice. Which of our geometries it spoke of is not known any more: the answer tells them all.
   */
  resume(photo, body) {
    const entry = this.#entry(photo);
    entry.sending = { body, snapshot: { state: body.state, annotations: [] } };
    this.#send(entry);
    this.push(photo);
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
        photo, sending: null, wanted: null, failures: 0, timer: 0, blocked: "", problem: "",
      });
    }
    return this.#entries.get(photo.id);
  }

  #keep(entry) {
    const { photo, sending, wanted } = entry;
    const record = {
      id: photo.id, revision: photo.revision, body: sending?.body ?? null, snapshot: wanted ?? sending.snapshot, at: Date.now(),
    };
    this.store.keep(record).catch((error) => {
      this.storageProblem = `this browser keeps no copy of unsaved edits (${error?.message ?? error})`;
      this.onChange();
    });
  }

  #done(entry) {
    this.#entries.delete(entry.photo.id);
    this.store.forget(entry.photo.id).catch(() => {});
    this.onChange();
  }

  #start(entry) {
    const { photo, wanted } = entry;
    const body = {
      revision: photo.revision,
      change: newKey(),
      client: this.client,
      state: wanted.state,
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
