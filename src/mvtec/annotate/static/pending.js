// Edits that the server has not confirmed, kept in the browser's own storage until it has.

/**
 * @typedef {{id: string, revision: number | null, body: object | null, snapshot: object, at: number}} Pending
 * One photo: the request that may be under way, and the newest state the person wants.
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
    this.#database = new Promise((resolve, reject) => {
      const request = indexedDB.open(`${store}:pending`, 1);
      request.onupgradeneeded = () => request.result.createObjectStore("photos", { keyPath: "id" });
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

  /** @param {string} id */
  async forget(id) {
    return settled((await this.#photos("readwrite")).delete(id));
  }

  /** @returns {Promise<Pending[]>} oldest first */
  async all() {
    const records = await settled((await this.#photos("readonly")).getAll());
    return records.sort((a, b) => a.at - b.at);
  }
}
