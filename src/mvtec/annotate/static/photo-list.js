// The list of photos as the filters order it, fetched in pages. A few pages are kept, however many photos there are.

import { api } from "./api.js";

const PAGE = 200;
const KEPT_PAGES = 12;

export class PhotoList {
  /** @type {Map<number, object[]>} */
  #pages = new Map();
  #fetching = new Map();
  #query = {};
  #generation = 0;
  total = 0;

  /**
   * @param {{onChange: () => void, onShrink: (count: number) => void}} parts onChange: rows came, or how many there are
   *   has changed; onShrink: so many photos have left the list since it was asked first
   */
  constructor({ onChange, onShrink }) {
    this.onChange = onChange;
    this.onShrink = onShrink;
  }

  /** Asks anew. @param {object} query of `GET /api/photos`, without offset and limit */
  async reset(query = this.#query) {
    this.#query = query;
    this.#generation += 1;
    this.#pages.clear();
    this.#fetching.clear();
    await this.#fetch(0);
    this.onChange();
  }

  /** The row if it is here; else null, and it is fetched. */
  peek(index) {
    const page = Math.floor(index / PAGE);
    const rows = this.#pages.get(page);
    if (rows) return rows[index % PAGE] ?? null;
    if (index >= 0 && index < this.total) this.#fetch(page).then(this.onChange, () => {});
    return null;
  }

  /** @returns {Promise<object | null>} null past either end */
  async at(index) {
    if (index < 0 || index >= this.total) return null;
    const page = Math.floor(index / PAGE);
    if (!this.#pages.has(page)) await this.#fetch(page);
    return this.#pages.get(page)?.[index % PAGE] ?? null;
  }

  /** Where a photo is, among the rows that are here; -1 when it is not. */
  indexOf(id) {
    for (const [page, rows] of this.#pages) {
      const at = rows.findIndex((row) => row.id === id);
      if (at >= 0) return page * PAGE + at;
    }
    return -1;
  }

  /**
   * Where a photo is, also among rows that are not here yet: by halving where the list is sorted by name, else among
   * the first pages.
   * @param {{id: string, name: string}} photo
   * @returns {Promise<number>} -1 when it is not found
   */
  async locate({ id, name }) {
    const sorted = (this.#query.order ?? "name") === "name";
    let low = 0, high = Math.ceil(this.total / PAGE) - 1;
    if (!sorted) high = Math.min(high, KEPT_PAGES - 1);
    while (low <= high) {
      const page = sorted ? Math.floor((low + high) / 2) : low;
      const first = await this.at(page * PAGE);
      const found = this.indexOf(id);
      if (found >= 0) return found;
      if (sorted && (!first || name < first.name)) high = page - 1;
      else low = page + 1;
    }
    return -1;
  }

  /** A photo was edited here: its row says so before the server is asked again. */
  update(id, changes) {
    for (const rows of this.#pages.values()) {
      const row = rows.find((one) => one.id === id);
      if (!row || Object.entries(changes).every(([name, value]) => row[name] === value)) continue;
      Object.assign(row, changes);
      this.onChange();
    }
  }

  #fetch(page) {
    if (this.#fetching.has(page)) return this.#fetching.get(page);
    const generation = this.#generation;
    const fetching = this.#load(page, generation).finally(() => {
      if (generation === this.#generation) this.#fetching.delete(page);
    });
    this.#fetching.set(page, fetching);
    return fetching;
  }

  async #load(page, generation) {
    const { total, photos } = await api.photos({ ...this.#query, offset: page * PAGE, limit: PAGE });
    if (generation !== this.#generation) return;
    const gone = this.#pages.size > 0 ? this.total - total : 0;
    this.total = total;
    // The photos that no longer pass the filter have left the server's list, and what follows has moved up: pages
    // fetched before and after that do not fit together, so the older ones go.
    if (gone !== 0) this.#pages.clear();
    this.#pages.set(page, photos);
    if (gone > 0) this.onShrink(gone);
    while (this.#pages.size > KEPT_PAGES) this.#pages.delete(this.#pages.keys().next().value);
  }
}
