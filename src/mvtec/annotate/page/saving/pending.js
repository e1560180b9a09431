// Edits that the server has not confirmed, kept in the browser's own storage until it has.

/**
 * One photo in one page: the request that may be under way, and the newest state the person wants. `page` names one load
 * of one tab, so that two tabs keep their records apart, and a page those of the page before it; `client` is who they
 * are for the server; `more`: the snapshot says more than the request; `at` tells two versions of a record apart.
 * @typedef {{id: number, page: string, client: string, revision: number, body: object | null, more: boolean,
 *   snapshot: import("../photo/open-photo.js").Snapshot, at: number}} Pending
 */

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export class PendingStore {
  #database;

  /** @param {string} store names the working store, so that two projects on one port keep apart */
  constructor(store) {
    this.name = store;
    this.#database = new Promise((resolve, reject) => {
      const request = indexedDB.open(`${store}:edits`, 1);
      request.onupgradeneeded = () => request.result.createObjectStore("photos", { keyPath: ["id", "page"] });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    // Whether there is storage is asked where it is used; an unheard rejection would only fill the console.
    this.#database.catch(() => {});
  }

  async #photos(mode) {
    const database = await this.#database;
    return database.transaction("photos", mode).objectStore("photos");
  }

  /** @param {Pending} record */
  async keep(record) {
    return settled((await this.#photos("readwrite")).put(record));
  }

  /** Forgets a record, unless the page it is from has kept a newer one since. @param {Pick<Pending, "id" | "page" | "at">} record */
  async forget({ id, page, at }) {
    const photos = await this.#photos("readwrite");
    const kept = await settled(photos.get([id, page]));
    if (kept?.at === at) await settled(photos.delete([id, page]));
  }

  /**
   * Waits until a page is closed, and from then on stands in its place, so that one page alone sends what it left. Where
   * the browser cannot tell (plain http from another host) this does not wait: the server knows a change that it hears
   * of twice.
   * @param {string} page its own name, which is free, or that of another page
   * @returns {Promise<void>}
   */
  claim(page) {
    return new Promise((resolve) => {
      const hold = () => {
        resolve();
        return new Promise(() => {});
      };
      if (navigator.locks) navigator.locks.request(`${this.name}:${page}`, hold).catch(resolve);
      else resolve();
    });
  }

  /** @returns {Promise<Pending[]>} oldest first */
  async all() {
    const records = await settled((await this.#photos("readonly")).getAll());
    return records.sort((a, b) => a.at - b.at);
  }
}
