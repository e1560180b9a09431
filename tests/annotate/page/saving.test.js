// Undo, redo and the queue of saves: order, retries, conflicts and refusals.

import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../../src/mvtec/annotate/page/photo/undo-history.js";
import { SaveQueue } from "../../../src/mvtec/annotate/page/saving/queue.js";

test("undo and redo go through the states, and a new step forgets what was undone", () => {
  const history = new History("a");
  history.push("b", "first");
  history.push("c", "second");
  assert.equal(history.undo(), "second");
  assert.equal(history.present, "b");
  assert.equal(history.redo(), "second");
  assert.equal(history.present, "c");
  history.undo();
  history.push("d", "third");
  assert.equal(history.canRedo, false);
  assert.equal(history.redo(), null);
  history.undo();
  history.undo();
  assert.equal(history.present, "a");
  assert.equal(history.undo(), null);
});

test("a later step has a later time, over all photos", () => {
  const one = new History(0), other = new History(0);
  one.push(1, "x");
  other.push(1, "x");
  assert.ok(other.lastAt > one.lastAt);
  assert.equal(new History(0).lastAt, 0);
});

/** A photo that remembers what the server has confirmed. */
function aPhoto(id = 1) {
  return {
    id, name: `${id}.png`, revision: 0, width: 10, height: 10, snapshot: { state: null, annotations: [] }, confirmed: [],
    known: () => [], sending() {},
    confirm(answer) {
      this.revision = answer.revision;
      this.confirmed.push(answer.revision);
    },
  };
}

/** A queue, the requests it has sent, and a way to answer the oldest. */
function aQueue() {
  const requests = [], kept = new Map(), conflicts = [];
  const store = {
    keep: async (record) => kept.set(record.id, record),
    forget: async ({ id }) => kept.delete(id),
  };
  const put = (id, body) => new Promise((resolve, reject) => requests.push({ id, body, resolve, reject }));
  const queue = new SaveQueue({
    put, store, page: "p", client: "c", onChange() {}, onConflict: (photo, current) => conflicts.push(current),
  });
  return { queue, requests, kept, conflicts };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("one request at a time, and the newest state after it", async () => {
  const { queue, requests, kept } = aQueue(), photo = aPhoto();
  for (const state of ["unsure", "reviewed", "good"]) {
    photo.snapshot = { state, annotations: [] };
    queue.push(photo);
  }
  assert.deepEqual(requests.map(({ body }) => body.state), ["unsure"]);
  assert.equal(kept.get(1).more, true);
  requests[0].resolve({ revision: 1 });
  await settled();
  assert.deepEqual(requests.map(({ body }) => [body.state, body.revision]), [["unsure", 0], ["good", 1]]);
  requests[1].resolve({ revision: 2 });
  await settled();
  assert.deepEqual([queue.size, kept.size, photo.confirmed], [0, 0, [1, 2]]);
});

test("a server that is away is tried again with the same change, and the edit is kept", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { queue, requests, kept } = aQueue(), photo = aPhoto();
  queue.push(photo);
  for (const [tries, delay] of [1000, 2000, 4000].entries()) {
    requests[tries].reject(Object.assign(new Error("away"), { status: 0 }));
    await settled();
    assert.equal(queue.problem.text, "1.png: away");
    t.mock.timers.tick(delay - 1);
    assert.equal(requests.length, tries + 1);
    t.mock.timers.tick(1);
    assert.equal(requests.length, tries + 2);
  }
  assert.equal(new Set(requests.map(({ body }) => body.change)).size, 1);
  assert.equal(kept.size, 1);
  requests[3].resolve({ revision: 1 });
  await settled();
  assert.deepEqual([queue.problem, queue.size], [null, 0]);
});

test("a conflict waits for the person", async () => {
  const { queue, requests, conflicts } = aQueue(), photo = aPhoto();
  queue.push(photo);
  requests[0].reject(Object.assign(new Error("conflict"), { status: 409, current: { revision: 5 } }));
  await settled();
  assert.deepEqual([conflicts, queue.problem.blocked], [[{ revision: 5 }], "conflict"]);
  queue.push(photo);
  assert.equal(requests.length, 1);
  queue.settle(photo, false);
  assert.equal(queue.size, 0);
});

test("what the server refuses is not sent again until it has changed", async () => {
  const { queue, requests } = aQueue(), photo = aPhoto();
  queue.push(photo);
  requests[0].reject(Object.assign(new Error("bad"), { status: 422 }));
  await settled();
  assert.equal(queue.problem.blocked, "refused");
  assert.equal(requests.length, 1);
  queue.push(photo);
  assert.equal(requests.length, 2);
});
