// libaivo's offline queue against socket.io: what the server answers decides what becomes of a message.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import test from "node:test";
import { Driver } from "./lib/driver.mjs";
import { Peer } from "./lib/peers.mjs";
import { sleep, slow, temporaryFolder, until } from "./lib/process.mjs";

// A server whose answers are given by a function of (value, how often this message came).
async function answering(t, answer) {
  const peer = await Peer.start(t);
  peer.got = [];
  peer.io.on("connection", (socket) =>
    socket.on("work", (value, ack) => {
      peer.got.push({ n: value.n, at: Date.now() });
      answer(value, peer.got.filter((g) => g.n === value.n).length, ack, socket);
    }));
  return peer;
}

const connected = async (t, peer, queue = {}) => {
  const driver = new Driver(t);
  await driver.connect({ url: peer.url, queue: { path: `${temporaryFolder(t)}/queue.db`, retryBaseMs: 50, ...queue } });
  return driver;
};
const send = (driver, n) => driver.do("send", { event: "work", args: [{ n }] });

test("rate limited: kept, waits as long as it was told, and costs no attempt", async (t) => {
  const peer = await answering(t, (value, times, ack) =>
    ack(times <= 5 ? { error: "slow down", rateLimited: true, retryAfterMs: 200 } : { success: true }));
  const driver = await connected(t, peer, { maxRetries: 1 });
  await send(driver, 1);
  const fate = await driver.next("fate", undefined, 15000);
  assert.equal(fate.fate, "acknowledged");
  assert.equal(fate.attempts, 0);
  assert.equal(peer.got.length, 6);
  const gaps = peer.got.slice(1).map((g, i) => g.at - peer.got[i].at);
  assert.ok(Math.min(...gaps) >= 190, `gaps ${gaps}`);
});

test("an error is a failed attempt: resent with backoff, then dead, with the reason", async (t) => {
  const peer = await answering(t, (value, times, ack) => ack({ error: `no ${times}` }));
  const driver = await connected(t, peer, { maxRetries: 3 });
  const { messageId } = await send(driver, 1);
  const fate = await driver.next("fate", undefined, 15000);
  assert.equal(fate.id, messageId);
  assert.equal(fate.fate, "dead");
  assert.match(fate.lastError, /no /);
  const { length } = peer.got;
  assert.ok(length === 3 || length === 4, `${length} attempts`);
  await sleep(300);
  assert.equal(peer.got.length, length);
});

test("an error once, then success", async (t) => {
  const peer = await answering(t, (value, times, ack) => ack(times === 1 ? { error: "again" } : { success: true }));
  const driver = await connected(t, peer);
  await send(driver, 1);
  assert.equal((await driver.next("fate", undefined, 15000)).fate, "acknowledged");
  assert.equal(peer.got.length, 2);
});

test("no ack at all: resent after the time-out, given up in the end", async (t) => {
  const peer = await answering(t, () => {});
  const driver = await connected(t, peer, { ackTimeoutMs: 150, maxRetries: 2 });
  await send(driver, 1);
  const fate = await driver.next("fate", undefined, 20000);
  assert.equal(fate.fate, "dead");
  assert.ok(peer.got.length >= 2, `${peer.got.length} attempts`);
});

test("a disconnect costs no attempt: four lost connections, one allowed retry", async (t) => {
  const peer = await answering(t, (value, times, ack, socket) => (times <= 4 ? socket.conn.close() : ack({ ok: 1 })));
  const driver = await connected(t, peer, { maxRetries: 1 });
  await send(driver, 1);
  const fate = await driver.next("fate", undefined, 40000);
  assert.equal(fate.fate, "acknowledged");
  assert.equal(fate.attempts, 0);
  assert.equal(peer.got.length, 5);
});

test("a message at which the server ends every connection dies alone: all others are delivered meanwhile", async (t) => {
  let ends = 0;
  const peer = await answering(t, (value, times, ack, socket) => {
    if (value.n !== 3) return ack({ ok: 1 });
    ends++;
    socket.conn.close();
  });
  const driver = new Driver(t);
  await driver.create({ url: peer.url,
                        queue: { path: `${temporaryFolder(t)}/queue.db`, retryBaseMs: 50, maxRetries: 3,
                                 maxMessages: 1000 } });
  for (let n = 0; n < 200; n++) await send(driver, n);
  await driver.do("start");
  const fates = [];
  while (fates.length < 200) fates.push(await driver.next("fate", undefined, 20000));
  const dead = fates.filter((fate) => fate.fate !== "acknowledged");
  assert.equal(dead.length, 1, JSON.stringify(dead.slice(0, 3)));
  assert.equal(dead[0].args[0].n, 3);
  assert.equal(dead[0].fate, "dead");
  assert.match(dead[0].lastError, /the connection ended each time it was sent/);
  assert.ok(ends <= 10, `${ends} connections ended`);
  assert.ok(peer.got.length <= 200 + 2 * 64 + ends, `${peer.got.length} deliveries`);
});

test("an answer that comes after its time counts: nothing dies, little is sent again", async (t) => {
  const peer = await answering(t, (value, times, ack) => setTimeout(() => ack({ ok: 1 }), 700));
  const driver = await connected(t, peer, { ackTimeoutMs: 450, maxRetries: 4, retryBaseMs: 100 });
  for (let n = 0; n < 20; n++) await send(driver, n);
  const fates = [];
  while (fates.length < 20) fates.push(await driver.next("fate", undefined, 15000));
  assert.deepEqual(fates.filter((fate) => fate.fate !== "acknowledged"), []);
  assert.ok(peer.got.length <= 40, `${peer.got.length} deliveries`);
});

test("sent in order, and queued in order while down", async (t) => {
  const peer = await answering(t, (value, times, ack) => ack({ ok: true }));
  const driver = new Driver(t);
  await driver.create({ url: peer.url, queue: { path: `${temporaryFolder(t)}/queue.db` } });
  for (let n = 0; n < 50; n++) await send(driver, n);
  await driver.do("start");
  for (let n = 50; n < 100; n++) await send(driver, n);
  await driver.next("fate", (e) => e.args[0].n === 99, 20000);
  assert.deepEqual(peer.got.map((g) => g.n), Array.from({ length: 100 }, (_, n) => n));
});

test("beyond max_messages the oldest is evicted, and told", async (t) => {
  const driver = new Driver(t);
  const peer = await answering(t, (value, times, ack) => ack({ ok: true }));
  await driver.create({ url: peer.url, queue: { path: `${temporaryFolder(t)}/queue.db`, maxMessages: 10 } });
  for (let n = 0; n < 13; n++) await send(driver, n);
  await driver.do("start");
  await until(() => driver.all("fate").length >= 13, "a fate for each message", 10000);
  const fates = driver.all("fate").map((e) => [e.args[0].n, e.fate]);
  assert.deepEqual(fates.filter(([, fate]) => fate === "evicted").map(([n]) => n), [0, 1, 2]);
  assert.deepEqual(peer.got.map((g) => g.n), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

test("older than its TTL a message expires, and is told", async (t) => {
  const peer = await answering(t, (value, times, ack) => ack({ ok: true }));
  const driver = new Driver(t);
  await driver.create({ url: peer.url, queue: { path: `${temporaryFolder(t)}/queue.db`, ttlS: 1 } });
  await send(driver, 1);
  await sleep(1500);
  await send(driver, 2);
  await driver.do("start");
  await until(() => driver.all("fate").length >= 2, "a fate for each message", 10000);
  assert.deepEqual(driver.all("fate").map((e) => [e.args[0].n, e.fate]).sort(), [[1, "expired"], [2, "acknowledged"]]);
  assert.deepEqual(peer.got.map((g) => g.n), [2]);
});

test("a queue file that is no database is refused and left alone", async (t) => {
  const folder = temporaryFolder(t);
  const text = "this is no database\n".repeat(500);
  writeFileSync(`${folder}/queue.db`, text);
  const driver = new Driver(t);
  const answer = await driver.ask("create", { url: "http://127.0.0.1:9", queue: { path: `${folder}/queue.db` } });
  assert.equal(answer.status, "AIVO_E_CORRUPT");
  assert.deepEqual(readdirSync(folder), ["queue.db"]);
  assert.equal(readFileSync(`${folder}/queue.db`, "utf8"), text);
});

test("two programs on one file: the second is told", async (t) => {
  const peer = await answering(t, (value, times, ack) => ack({ ok: true }));
  const file = `${temporaryFolder(t)}/queue.db`;
  const first = new Driver(t);
  await first.create({ url: peer.url, queue: { path: file } });
  const second = new Driver(t);
  const answer = await second.ask("create", { url: peer.url, queue: { path: file } });
  assert.equal(answer.status, "AIVO_E_LOCKED");
});

test("a stop and a start of the program in between", async (t) => {
  // Accepted by one process, delivered by the next, with the same id.
  const peer = await answering(t, (value, times, ack) => ack({ ok: true }));
  const file = `${temporaryFolder(t)}/queue.db`;
  const first = new Driver(t);
  await first.create({ url: peer.url, queue: { path: file } });
  const { messageId } = await send(first, 1);
  await first.do("destroy");
  const second = new Driver(t);
  await second.connect({ url: peer.url, queue: { path: file } });
  const fate = await second.next("fate", undefined, 5000 * slow);
  assert.equal(fate.id, messageId);
  assert.equal(peer.got.length, 1);
});

test("without a queue, send is refused", async (t) => {
  const peer = await Peer.start(t);
  const driver = new Driver(t);
  await driver.connect({ url: peer.url });
  assert.equal((await driver.ask("send", { event: "x", args: [] })).status, "AIVO_E_STATE");
});
