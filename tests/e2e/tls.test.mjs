// libaivo against socket.io over TLS: whom it trusts, and what it says when it does not.
import assert from "node:assert/strict";
import test from "node:test";
import { certificates } from "./lib/certificates.mjs";
import { Driver } from "./lib/driver.mjs";
import { Peer } from "./lib/peers.mjs";

async function refused(t, url, tls) {
  const driver = new Driver(t);
  await driver.create({ url, tls, reconnect: { enabled: false } });
  await driver.do("start");
  const event = await driver.next("state", (e) => e.error, 10000);
  assert.equal(event.error.status, "AIVO_E_TLS", JSON.stringify(event));
  return event.error.message;
}

async function accepted(t, peer, url, tls) {
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url, tls });
  (await connection).on("echo", (value, ack) => ack(value));
  assert.deepEqual((await driver.emitWithAck("echo", ["x".repeat(50000)])).args, ["x".repeat(50000)]);
}

test("an authority of our own, by address and by name", async (t) => {
  const certs = certificates(t);
  const peer = await Peer.start(t, {}, { tls: certs.options("server") });
  await accepted(t, peer, peer.url, { ca: certs.file("ca.pem") });
  await accepted(t, peer, `wss://localhost:${peer.port}`, { ca: certs.file("ca.pem") });
});

test("an unknown authority is refused: the system's do not know it, and another does not either", async (t) => {
  const certs = certificates(t);
  const peer = await Peer.start(t, {}, { tls: certs.options("server") });
  assert.match(await refused(t, peer.url, {}), /unknown CA/);
  assert.match(await refused(t, peer.url, { ca: certs.file("other.pem") }), /unknown CA/);
});

test("a certificate for another name is refused", async (t) => {
  const certs = certificates(t);
  const peer = await Peer.start(t, {}, { tls: certs.options("elsewhere") });
  assert.match(await refused(t, peer.url, { ca: certs.file("ca.pem") }), /name|address|mismatch/i);
});

test("insecure checks nothing, except a pin", async (t) => {
  const certs = certificates(t);
  const peer = await Peer.start(t, {}, { tls: certs.options("elsewhere") });
  await accepted(t, peer, peer.url, { insecure: true });
  assert.match(await refused(t, peer.url, { insecure: true, pin: certs.pin("server") }), /pin/i);
});

test("a pin: the right one, one of two, the wrong one", async (t) => {
  const certs = certificates(t);
  const ca = certs.file("ca.pem");
  const peer = await Peer.start(t, {}, { tls: certs.options("server") });
  await accepted(t, peer, peer.url, { ca, pin: certs.pin("server") });
  await accepted(t, peer, peer.url, { ca, pin: `${certs.pin("client")};${certs.pin("server")}` });
  assert.match(await refused(t, peer.url, { ca, pin: certs.pin("client") }), /pin/i);
});

test("a server that wants a client certificate", async (t) => {
  const certs = certificates(t);
  const ca = certs.file("ca.pem");
  const tls = { ...certs.options("server"), ca: certs.ca(), requestCert: true, rejectUnauthorized: true, maxVersion: "TLSv1.2" };
  const peer = await Peer.start(t, {}, { tls });
  await accepted(t, peer, peer.url, { ca, cert: certs.file("client.pem"), key: certs.file("client.key") });
  const driver = new Driver(t);
  await driver.create({ url: peer.url, tls: { ca }, reconnect: { enabled: false } });
  await driver.do("start");
  assert.match((await driver.next("state", (e) => e.error)).error.status, /AIVO_E_(TLS|CONNECT|CLOSED)/);
});

test("files that cannot be used are named at creation", async (t) => {
  const certs = certificates(t);
  const driver = new Driver(t);
  for (const tls of [
    { ca: certs.file("missing.pem") },
    { cert: certs.file("client.pem"), key: certs.file("missing.key") },
    { cert: certs.file("client.pem"), key: certs.file("server.key") },
  ]) {
    const answer = await driver.ask("create", { url: "https://127.0.0.1:1", tls });
    assert.match(answer.status, /AIVO_E_(TLS|INVALID)/, JSON.stringify(tls));
    assert.match(answer.error.message, /missing|match|key/i, answer.error.message);
  }
});

test("plain text spoken to a TLS port, and TLS to a plain one", async (t) => {
  const certs = certificates(t);
  const secure = await Peer.start(t, {}, { tls: certs.options("server") });
  const plain = await Peer.start(t);
  for (const url of [`http://127.0.0.1:${secure.port}`, `https://127.0.0.1:${plain.port}`]) {
    const driver = new Driver(t);
    await driver.create({ url, tls: { ca: certs.file("ca.pem") }, reconnect: { enabled: false }, connectTimeoutMs: 3000 });
    await driver.do("start");
    const event = await driver.next("state", (e) => e.error, 6000);
    assert.match(event.error.status, /AIVO_E_(TLS|CONNECT|HTTP|CLOSED|PROTOCOL)/);
  }
});
