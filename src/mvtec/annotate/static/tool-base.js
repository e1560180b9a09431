// What a tool does when it does nothing.

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
    enter: () => false,
    remove: () => false,
    paint() {},
  };
}
