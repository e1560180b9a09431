// What a tool does when it does nothing, and says when what it works on is not there any more.

/** The label that a drag or stroke began on is another one at its end. */
export const CHANGED_MEANWHILE = "This label was changed meanwhile, by somebody else or by a key: the drag is given up.";

/** @returns {import("./tools.js").Tool} */
export function idleTool() {
  return {
    takesSecondButton: false,
    down() {},
    move() {},
    up() {},
    hover() {},
    leave() {},
    holds: () => false,
    cancel: () => false,
    release() {
      this.cancel();
    },
    unfinished: () => "",
    undo: () => false,
    enter: () => false,
    remove: () => false,
    paint() {},
  };
}
