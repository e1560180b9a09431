// Where the photo lies on the screen: zoom and place.

import { clamp } from "./geometry.js";

const MOST_SCALE = 64;

export class View {
  scale = 1;
  x = 0;
  y = 0;
  width = 1;
  height = 1;
  photoWidth = 1;
  photoHeight = 1;
  /** Is the whole photo shown, so that a resized window should show it whole again? */
  fitted = true;

  /** @param {number} width of the stage in CSS pixels @param {number} height */
  resize(width, height) {
    this.x += (width - this.width) / 2;
    this.y += (height - this.height) / 2;
    this.width = width;
    this.height = height;
    if (this.fitted) this.fit();
  }

  show(photoWidth, photoHeight) {
    const same = photoWidth === this.photoWidth && photoHeight === this.photoHeight;
    this.photoWidth = photoWidth;
    this.photoHeight = photoHeight;
    // Photos of one size keep the zoom: the same spot of each part is looked at, one after the other.
    if (!same || this.fitted) this.fit();
  }

  get fitScale() {
    const room = 16;
    return Math.min((this.width - room) / this.photoWidth, (this.height - room) / this.photoHeight, MOST_SCALE);
  }

  fit() {
    this.scale = Math.max(0.001, this.fitScale);
    this.x = (this.width - this.photoWidth * this.scale) / 2;
    this.y = (this.height - this.photoHeight * this.scale) / 2;
    this.fitted = true;
  }

  /** Zooms by a factor; the place under (sx, sy), in CSS pixels of the stage, stays where it is. */
  zoom(factor, sx = this.width / 2, sy = this.height / 2) {
    const scale = clamp(this.scale * factor, Math.min(this.fitScale / 2, 1), MOST_SCALE);
    this.x = sx - ((sx - this.x) * scale) / this.scale;
    this.y = sy - ((sy - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.#keepInSight();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.#keepInSight();
  }

  // Some of the photo always stays on the screen.
  #keepInSight() {
    const margin = 48;
    this.x = clamp(this.x, margin - this.photoWidth * this.scale, this.width - margin);
    this.y = clamp(this.y, margin - this.photoHeight * this.scale, this.height - margin);
  }

  /** Moves the view so that the place (x, y) of the photo is on the screen. */
  reveal(x, y) {
    const margin = 32, { sx, sy } = this.toStage(x, y);
    const dx = clamp(sx, margin, this.width - margin) - sx, dy = clamp(sy, margin, this.height - margin) - sy;
    if (dx !== 0 || dy !== 0) this.pan(dx, dy);
    return dx !== 0 || dy !== 0;
  }

  /** Photo pixels to CSS pixels of the stage. */
  toStage(x, y) {
    return { sx: x * this.scale + this.x, sy: y * this.scale + this.y };
  }

  /** CSS pixels of the stage to photo pixels. */
  toPhoto(sx, sy) {
    return { x: (sx - this.x) / this.scale, y: (sy - this.y) / this.scale };
  }
}
