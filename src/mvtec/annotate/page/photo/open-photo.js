// The open photo: its labels and state, what is selected, its undo history, and what the server knows of it.

import { fromServer, geometryOf, sameGeometry } from "./annotation.js";
import { History } from "./undo-history.js";

/** @typedef {import("./annotation.js").Annotation} Annotation */
/** @typedef {{state: null | "good" | "reviewed" | "unsure", annotations: Annotation[]}} Snapshot */

export class OpenPhoto {
  /** Geometries the server has confirmed, by key; those of deleted annotations stay, for undo. */
  #confirmed = new Map();
  /** Geometries in the request under way. */
  #sent = new Map();

  /** @type {string} relative to the folder */
  name;
  /** @type {string} of the picture: another one when its file changes */
  version;
  /** @type {number} in pixels */
  width;
  /** @type {number} in pixels */
  height;
  /** @type {number} how often the server has saved it */
  revision;
  /** Can the picture be shown? */
  usable = false;

  /**
   * @param {object} raw the Photo of the server
   * @param {{onChange: (photo: OpenPhoto) => void, onEdit: (photo: OpenPhoto) => void}} parts onEdit: must be saved
   */
  constructor(raw, { onChange, onEdit }) {
    this.id = raw.id;
    this.onChange = onChange;
    this.onEdit = onEdit;
    /** @type {Set<string>} keys */
    this.selection = new Set();
    /** How many questions about it are under way. */
    this.asked = 0;
    this.#describe(raw);
    this.history = new History(this.#take(raw));
  }

  #describe({ name, version, width, height, revision }) {
    Object.assign(this, { name, version, width, height, revision });
  }

  #take(raw) {
    const annotations = raw.annotations.map(fromServer);
    this.#confirmed = new Map(annotations.map(({ key, geometry }) => [key, geometry]));
    this.#sent.clear();
    return { state: raw.state, annotations };
  }

  /** @returns {Snapshot} */
  get snapshot() {
    return this.history.present;
  }

  get state() {
    return this.snapshot.state;
  }

  get annotations() {
    return this.snapshot.annotations;
  }

  get selected() {
    return this.annotations.filter(({ key }) => this.selection.has(key));
  }

  get proposals() {
    return this.annotations.filter(({ proposed }) => proposed);
  }

  /** Is there more to it than what the server has? */
  get isNeeded() {
    return this.history.used || this.asked > 0;
  }

  /** Waits for the answer to a question about this photo. @template T @param {Promise<T>} answer @returns {Promise<T>} */
  async whileAsked(answer) {
    this.asked += 1;
    try {
      return await answer;
    } finally {
      this.asked -= 1;
    }
  }

  find(key) {
    return this.annotations.find((annotation) => annotation.key === key) ?? null;
  }

  /** What the server may hold for a key, for `toEdit`. */
  known(key) {
    const geometries = [];
    if (!this.#confirmed.has(key)) return geometries;
    geometries.push(this.#confirmed.get(key));
    if (this.#sent.has(key)) geometries.push(this.#sent.get(key));
    return geometries;
  }

  select(keys) {
    this.selection = new Set(keys);
    this.onChange(this);
  }

  /**
   * One step that can be undone.
   * @param {string} what "box drawn", said when it is undone
   * @param {Partial<Snapshot>} changes
   */
  change(what, changes) {
    const next = { ...this.snapshot, ...changes };
    // A photo with a defect is not good.
    if (next.state === "good" && next.annotations.some(({ proposed }) => !proposed)) next.state = null;
    this.history.push(next, what);
    this.#edited();
  }

  add(what, annotation, changes = {}) {
    this.selection = new Set([annotation.key]);
    this.change(what, { annotations: [...this.annotations, annotation], ...changes });
  }

  replace(what, annotation) {
    const annotations = this.annotations.map((one) => (one.key === annotation.key ? annotation : one));
    this.change(what, { annotations });
  }

  undo() {
    return this.#travel(this.history.undo());
  }

  redo() {
    return this.#travel(this.history.redo());
  }

  #travel(what) {
    if (what !== null) this.#edited();
    return what;
  }

  #edited() {
    const keys = new Set(this.annotations.map(({ key }) => key));
    this.selection = new Set([...this.selection].filter((key) => keys.has(key)));
    this.onEdit(this);
    this.onChange(this);
  }

  /** Remembers what a request says, until `confirm`. */
  sending(snapshot) {
    this.#sent = new Map(snapshot.annotations.map(({ key, geometry }) => [key, geometry]));
  }

  /**
   * The server has stored `sent`. Its shapes complete ours: the tight box of a mask, the pixels of a polygon.
   * @param {object} raw the Photo of the answer
   * @param {Snapshot} sent
   */
  confirm(raw, sent) {
    this.#describe(raw);
    this.#sent.clear();
    const ours = new Map(sent.annotations.map((annotation) => [annotation.key, annotation]));
    for (const theirs of raw.annotations) {
      const annotation = ours.get(theirs.key);
      if (!annotation) {
        this.#confirmed.set(theirs.key, geometryOf(theirs));
        continue;
      }
      const { bbox, area, counts, problem } = geometryOf(theirs);
      const { geometry } = annotation;
      if (geometry.kind !== "mask") geometry.counts = counts;
      Object.assign(geometry, { bbox, area, problem });
      annotation.attributes = theirs.attributes ?? annotation.attributes;
      this.#confirmed.set(theirs.key, geometry);
    }
    this.onChange(this);
  }

  /** Makes the server's newest Photo the base of what is here, without touching what is here. */
  rebase(raw) {
    this.#describe(raw);
    this.#sent.clear();
    // What the others deleted goes: the last shape that the server remembers of it may be theirs.
    this.#confirmed = new Map(raw.annotations.map((theirs) => [theirs.key, geometryOf(theirs)]));
  }

  /** Shows the server's Photo in place of what is here. What was here can be had back by undo. */
  takeOver(raw, what) {
    this.#describe(raw);
    this.selection.clear();
    const next = this.#take(raw);
    if (this.history.used) this.history.push(next, what);
    else this.history = new History(next);
    this.onChange(this);
  }
}

/** Do two lists show the same labels? For finding what differs between two versions. */
export function sameAnnotation(a, b) {
  return a.category_id === b.category_id && a.proposed === b.proposed && sameGeometry(a.geometry, b.geometry);
}
