// libaivo against socket.io: credentials refused, refreshed and not hammered.
import assert from "node:assert/strict";
import test from "node:test";
import { Driver } from "./lib/driver.mjs";
import { jwt, Peer, secret, token } from "./lib/peers.mjs";
import { sleep } from "./lib/process.mjs";

// A server that checks tokens as the original does, and counts how often it was asked.
async function guarded(t, options, more) {
  const peer = await Peer.start(t, options, more);
  peer.attempts = [];
  peer.io.use((socket, next) => {
    const given = socket.handshake.auth.token;
    peer.attempts.push(Date.now());
    if (!given) return next(new Error("Authentication token required"));
    jwt.verify(given, secret, { algorithms: ["HS256"] }, (error) =>
      next(error ? Object.assign(new Error("Invalid authentication token"), { data: { reason: error.message } }) : undefined));
  });
  return peer;
}

test("a token is asked for, with the reason, and accepted", async (t) => {
  const peer = await guarded(t);
  const driver = new Driver(t);
  await driver.create({ url: peer.url, authCallback: true });
  await driver.do("start");
  assert.equal((await driver.next("auth")).reason, "first");
  await driver.do("auth", { payload: { token: token() } });
  await driver.state("connected");
  assert.equal(peer.attempts.length, 1);
});

test("an expired token is refused, refreshed and accepted", async (t) => {
  // The server refuses; the client asks for something new, saying so, and needs exactly two attempts.
  const peer = await guarded(t);
  const driver = new Driver(t);
  await driver.create({ url: peer.url, authCallback: true });
  await driver.do("start");
  await driver.next("auth");
  await driver.do("auth", { payload: { token: token({}, { expiresIn: -60 }) } });
  assert.equal((await driver.next("auth")).reason, "refused");
  const { lastError } = await driver.do("state");
  assert.equal(lastError.status, "AIVO_E_AUTH");
  assert.match(lastError.message, /Invalid authentication token/);
  await driver.do("auth", { payload: { token: token() } });
  await driver.state("connected");
  assert.equal(peer.attempts.length, 2);
});

test("a token that expires while connected is refreshed at the reconnect", async (t) => {
  const peer = await guarded(t);
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.create({ url: peer.url, authCallback: true });
  await driver.do("start");
  await driver.next("auth");
  await driver.do("auth", { payload: { token: token({}, { expiresIn: 1 }) } });
  await driver.state("connected");
  await sleep(1500);
  (await connection).conn.close();
  assert.equal((await driver.next("auth")).reason, "reconnect");
  await driver.do("auth", { payload: { token: token({}, { expiresIn: -1 }) } });
  assert.equal((await driver.next("auth")).reason, "refused");
  await driver.do("auth", { payload: { token: token() } });
  await driver.state("connected");
  assert.equal(peer.attempts.length, 3);
});

test("a server that refuses everything is not hammered", async (t) => {
  // A refreshed token is tried at once, one time. With the default delays (floor 250 ms) three seconds hold at most 13 attempts, and a new token is asked for each.
  const peer = await guarded(t);
  const driver = new Driver(t);
  await driver.create({ url: peer.url, authCallback: true, reconnect: {} });
  await driver.do("start");
  const end = Date.now() + 3000;
  let asked = 0;
  while (Date.now() < end) {
    const event = await driver.next("auth", undefined, 3500).catch(() => null);
    if (!event) break;
    assert.equal(event.reason, asked++ ? "refused" : "first");
    await driver.do("auth", { payload: { token: token({}, {}, "another secret that is long enough") } });
  }
  assert.ok(peer.attempts.length >= 2, `${peer.attempts.length} attempts`);
  assert.ok(peer.attempts.length <= 13, `${peer.attempts.length} attempts`);
  const gaps = peer.attempts.slice(1).map((at, i) => at - peer.attempts[i]);
  assert.ok(Math.min(...gaps.slice(1)) >= 200, `gaps ${gaps}`);
});

test("a fixed payload that is refused does not loop fast either", async (t) => {
  const peer = await guarded(t);
  const driver = new Driver(t);
  await driver.create({ url: peer.url, auth: { token: "garbage" }, reconnect: {} });
  await driver.do("start");
  const first = await driver.next("state", (e) => e.error);
  assert.equal(first.error.status, "AIVO_E_AUTH");
  await sleep(1500);
  assert.ok(peer.attempts.length <= 7, `${peer.attempts.length} attempts`);
});

test("no credentials to be had: the client fails and says so", async (t) => {
  const peer = await guarded(t);
  const driver = new Driver(t);
  await driver.create({ url: peer.url, authCallback: true });
  await driver.do("start");
  await driver.next("auth");
  await driver.do("auth", { payload: null });
  assert.equal((await driver.state("failed")).error.status, "AIVO_E_AUTH");
  assert.equal(peer.attempts.length, 0);
});

test("credentials that never come are a time-out, and are asked for again", async (t) => {
  const peer = await guarded(t);
  const driver = new Driver(t);
  await driver.create({ url: peer.url, authCallback: true, authTimeoutMs: 200 });
  await driver.do("start");
  await driver.next("auth");
  await driver.next("auth");
  await driver.do("auth", { payload: { token: token() } });
  await driver.state("connected");
});
