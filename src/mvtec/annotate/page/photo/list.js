// The list of photos: its order as the filters had it when it was asked for, and rows, fetched in pages.
//
// The order stays while a person works through it: what they mark or accept does not move photos about, or out of the
// list, before the filters are set again.

import { api } from "../api.js";

const PAGE = 200;
const KEPT_PAGES = 12;

export class PhotoList {
  /** @type {number[]} all photos, in order */
  #ids = [];
  /** @type {Map<number, number>} where each is */
  #places = new Map();
  /** @type {Map<number, (object | null)[]>} */
  #pages = new Map();
  #fetching = new Map();
  #newest = 0;

  /** @param {() => void} onChange rows came, or the list is another one */
  constructor(onChange) {
    this.onChange = onChange;
  }

  get total() {
    return this.#ids.length;
  }

  /**
   * Asks anew.
   * @param {object} query of `GET /api/photos`
   * @returns {Promise<boolean>} false where another question has overtaken this one
   */
  async reset(query) {
    this.#newest += 1;
    const turn = this.#newest, { ids } = await api.photos(query);
    if (turn !== this.#newest) return false;
    this.#ids = ids;
    this.#places = new Map(ids.map((id, index) => [id, index]));
    this.#pages.clear();
    this.#fetching.clear();
    this.onChange();
    return true;
  }

  /** The row if it is here; else null, and it is fetched. */
  peek(index) {
    const page = Math.floor(index / PAGE), rows = this.#pages.get(page);
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

  /**
   * The next photo from an index on that is there: one may be gone since the list was asked for.
   * @param {1 | -1} step
   * @returns {Promise<{row: object, index: number} | null>} null past either end
   */
  async next(index, step) {
    for (let at = index; at >= 0 && at < this.total; at += step) {
      const row = await this.at(at);
      if (row) return { row, index: at };
    }
    return null;
  }

  /** Where a photo is; -1 when the filters did not let it through. */
  indexOf(id) {
    return this.#places.get(id) ?? -1;
  }

  /** A photo was edited here: its row says so before the server is asked again. */
  update(id, changes) {
    const index = this.indexOf(id);
    const row = this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
    if (!row || Object.entries(changes).every(([name, value]) => row[name] === value)) return;
    Object.assign(row, changes);
    this.onChange();
  }

  #fetch(page) {
    if (!this.#fetching.has(page)) {
      const fetching = this.#load(page, this.#ids).finally(() => {
        if (this.#fetching.get(page) === fetching) this.#fetching.delete(page);
      });
      this.#fetching.set(page, fetching);
    }
    return this.#fetching.get(page);
  }

  async #load(page, ids) {
    const wanted = ids.slice(page * PAGE, (page + 1) * PAGE);
    const { photos } = await api.rows(wanted);
    if (ids !== this.#ids) return;
    const rows = new Map(photos.map((row) => [row.id, row]));
    this.#pages.set(page, wanted.map((id) => rows.get(id) ?? null));
    while (this.#pages.size > KEPT_PAGES) this.#pages.delete(this.#pages.keys().next().value);
  }
}
