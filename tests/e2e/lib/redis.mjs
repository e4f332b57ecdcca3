// A Redis of the test's own, Node servers joined by it, and a relay to it that misbehaves when told.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { createRequire } from "node:module";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis as Client } from "ioredis";
import { AivoServer, event } from "./aivo-server.mjs";
import { Peer } from "./peers.mjs";
import { Child, sleep, slow, temporaryFolder, until } from "./process.mjs";

const require = createRequire(import.meta.url);
export const { Emitter } = require("@socket.io/redis-emitter");

export async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export class RedisServer {
  // args: further ones of redis-server.
  static async start(t, { port = 0, args = [] } = {}) {
    const redis = new RedisServer();
    redis.t = t;
    redis.args = args;
    redis.port = port || (await freePort());
    await redis.run();
    return redis;
  }

  async run() {
    const cwd = temporaryFolder(this.t);
    const fixed = ["--port", this.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", cwd];
    this.child = new Child(this.t, "redis-server", [...fixed, ...this.args].map(String), { cwd });
    const end = Date.now() + 10000 * slow;
    while (!(await reachable(this.port))) {
      if (this.child.ended || Date.now() > end) throw new Error(`redis-server: ${this.child.lines.slice(-5).join("\n")}`);
      await sleep(20);
    }
  }

  async kill() {
    await this.child.kill("SIGKILL");
  }

  client(options = {}) {
    const client = new Client({ host: "127.0.0.1", port: this.port, ...options });
    client.on("error", () => {});
    this.t.after(() => client.disconnect());
    return client;
  }
}

const reachable = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("connect", () => socket.write("PING\r\n"));
    socket.on("data", () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });

// A Node server of the cluster.
export async function nodeServer(t, redis, options = {}, adapterOptions = {}) {
  const peer = await Peer.start(t, options);
  peer.pub = redis.client();
  peer.sub = redis.client();
  peer.io.adapter(createAdapter(peer.pub, peer.sub, adapterOptions));
  return peer;
}

// Passes bytes both ways; `mode`: "pass", "stall" (accepts, then says nothing), "garble" (answers with nonsense),
// "refuse" (closes at once). Changing it concerns open connections as well.
export class Relay {
  static async start(t, target) {
    const relay = new Relay();
    relay.mode = "pass";
    relay.pairs = new Set();
    relay.accepted = 0;
    relay.server = net.createServer((socket) => relay.serve(socket, target));
    relay.server.listen(0, "127.0.0.1");
    await once(relay.server, "listening");
    relay.port = relay.server.address().port;
    t.after(() => (relay.cut(), relay.server.close()));
    return relay;
  }

  serve(socket, target) {
    this.accepted++;
    socket.on("error", () => {});
    if (this.mode === "refuse") return socket.destroy();
    const upstream = net.connect(target, "127.0.0.1");
    upstream.on("error", () => socket.destroy());
    const pair = { socket, upstream };
    this.pairs.add(pair);
    socket.on("data", (data) => this.mode !== "stall" && upstream.write(data));
    upstream.on("data", (data) => {
      if (this.mode === "pass") socket.write(data);
      else if (this.mode === "garble") socket.write(this.garbage(data));
    });
    const end = () => (this.pairs.delete(pair), socket.destroy(), upstream.destroy());
    socket.on("close", end);
    upstream.on("close", end);
  }

  garbage(data) {
    return Buffer.from(data.map((byte, i) => (i % 3 ? byte : (byte * 7 + 13) & 0xff)));
  }

  // Bytes that nobody asked for, to every client.
  say(bytes) {
    for (const { socket } of this.pairs) socket.write(bytes);
  }

  cut() {
    for (const { socket, upstream } of this.pairs) (socket.destroy(), upstream.destroy());
  }
}

export const ask = (socket, ...args) => socket.timeout(8000 * slow).emitWithAck(...args);

// A server of ours in the cluster of the Redis at this port.
export const clusterServer = (t, port, env = {}) =>
  AivoServer.start(t, { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(port), ...env }, ["--conformance"]);

// Waits until it says that it is connected to Redis (1) or is not (0).
export const is = (server, value, limitMs = 12000) =>
  until(async () => (await server.metric("aivo_redis_connected")) === value, `aivo_redis_connected ${value}`, limitMs);

// A broadcast that a client of ours asks for reaches another client.
export async function delivers(from, to, name) {
  const got = event(to, name);
  await ask(from, "test:emit", {}, name, name);
  assert.equal(await got, name);
}
