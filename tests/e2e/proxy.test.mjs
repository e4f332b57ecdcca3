// libaivo through an HTTP CONNECT proxy.
import assert from "node:assert/strict";
import test from "node:test";
import { certificates } from "./lib/certificates.mjs";
import { Driver } from "./lib/driver.mjs";
import { Peer } from "./lib/peers.mjs";
import { connectProxy } from "./lib/proxy.mjs";

const none = { http_proxy: "", https_proxy: "", HTTP_PROXY: "", HTTPS_PROXY: "", no_proxy: "", NO_PROXY: "", all_proxy: "" };

async function through(t, options, env = {}) {
  const driver = new Driver(t, { env: { ...none, ...env } });
  await driver.connect(options);
  return driver;
}

test("plain and TLS connections go through the proxy of the option", async (t) => {
  const certs = certificates(t);
  const plain = await Peer.start(t);
  const secure = await Peer.start(t, {}, { tls: certs.options("server") });
  const proxy = await connectProxy(t);
  await through(t, { url: plain.url, proxy: proxy.url });
  await through(t, { url: secure.url, proxy: proxy.url, tls: { ca: certs.file("ca.pem") } });
  assert.deepEqual(proxy.requests, [`CONNECT 127.0.0.1:${plain.port}`, `CONNECT 127.0.0.1:${secure.port}`]);
});

test("credentials for the proxy", async (t) => {
  const peer = await Peer.start(t);
  const proxy = await connectProxy(t, { credentials: "user:pass word" });
  await through(t, { url: peer.url, proxy: `http://user:pass%20word@127.0.0.1:${proxy.port}` });
  assert.equal(proxy.requests.length, 1);
});

test("a proxy that refuses, one that wants credentials, one that is not there", async (t) => {
  const peer = await Peer.start(t);
  const gone = await connectProxy(t);
  const forbidding = await connectProxy(t, { refuse: 403 });
  const asking = await connectProxy(t, { credentials: "user:pass" });
  for (const proxy of [forbidding.url, asking.url, "http://127.0.0.1:1"]) {
    const driver = new Driver(t, { env: none });
    await driver.create({ url: peer.url, proxy, reconnect: { enabled: false } });
    await driver.do("start");
    assert.equal((await driver.next("state", (e) => e.error)).error.status, "AIVO_E_PROXY", proxy);
  }
  assert.equal(peer.accepted, 0);
  assert.deepEqual(gone.requests, []);
});

test("the environment's proxy, and no_proxy", async (t) => {
  // The name is one that only the proxy knows. What is on this machine is never reached through a proxy of the
  // environment, and no_proxy leads to a failed look-up.
  const peer = await Peer.start(t);
  const proxy = await connectProxy(t, { names: { "school.invalid": "127.0.0.1" } });
  const url = `http://school.invalid:${peer.port}`;
  await through(t, { url, proxy: null }, { http_proxy: proxy.url });
  assert.deepEqual(proxy.requests, [`CONNECT school.invalid:${peer.port}`]);
  await through(t, { url: peer.url, proxy: null }, { http_proxy: proxy.url });
  for (const env of [{ http_proxy: proxy.url, no_proxy: "example.org,.invalid" }, { https_proxy: proxy.url }]) {
    const driver = new Driver(t, { env: { ...none, ...env } });
    await driver.create({ url, proxy: null, reconnect: { enabled: false } });
    await driver.do("start");
    assert.equal((await driver.next("state", (e) => e.error, 10000)).error.status, "AIVO_E_RESOLVE");
  }
  assert.equal(proxy.requests.length, 1);
});
