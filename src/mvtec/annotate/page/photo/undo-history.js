// Undo and redo without limit. States are never changed in place, so that keeping them all is cheap.

/** Counts all steps of all photos, so that two can be told apart by which was later. */
let steps = 0;

/** @template T */
export class History {
  #past = [];
  #future = [];

  /** @param {T} present */
  constructor(present) {
    this.present = present;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** When the last step was done that can be undone; 0 without one. */
  get lastAt() {
    return this.#past.at(-1)?.at ?? 0;
  }

  /** Was anything done in this session that could be undone or redone? */
  get used() {
    return this.canUndo || this.canRedo;
  }

  /**
   * @param {T} next
   * @param {string} what one or two words for the person
   */
  push(next, what) {
    this.#past.push({ state: this.present, what, at: (steps += 1) });
    this.#future = [];
    this.present = next;
  }

  /** @returns {string | null} what was undone */
  undo() {
    const step = this.#past.pop();
    if (!step) return null;
    this.#future.push({ state: this.present, what: step.what });
    this.present = step.state;
    return step.what;
  }

  /** @returns {string | null} what was done again */
  redo() {
    const step = this.#future.pop();
    if (!step) return null;
    this.#past.push({ state: this.present, what: step.what, at: (steps += 1) });
    this.present = step.state;
    return step.what;
  }
}
