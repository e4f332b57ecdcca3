// aivo-server under test: started on a port of the system's choice, ended by SIGTERM with the test.
import http from "node:http";
import net from "node:net";
import { io } from "socket.io-client";
import { secret, token } from "./peers.mjs";
import { Child, programs, slow, temporaryFolder, until } from "./process.mjs";

export class AivoServer extends Child {
  static async start(t, env = {}, args = [], options = {}) {
    const cwd = options.cwd || temporaryFolder(t);
    const server = new AivoServer(t, options.program || programs.server, args, {
      cwd,
      env: { PORT: "0", HOST: "127.0.0.1", NEXTAUTH_SECRET: secret, ...env },
      ...options,
    });
    server.url = await until(
      () => {
        if (server.ended) throw new Error(`aivo-server ended: ${JSON.stringify(server.ended)} ${server.stderr}`);
        return server.lines.map((line) => /listening on (\S+)/.exec(line)?.[1]).find(Boolean);
      },
      "listening on ...", 10000);
    server.port = Number(new URL(server.url).port);
    return server;
  }

  // Being asked twice ends the drain at once: its goodbyes have tests of their own, and nobody waits for them in the others.
  async finish() {
    let hurry;
    if (!this.ended) {
      this.askToEnd();
      hurry = setTimeout(() => ((this.hurried = true), this.askToEnd()), 200 * slow);
      await this.exit;
      clearTimeout(hurry);
    }
    // The second signal may find a program that has done its work and is about to end.
    if (this.hurried && this.ended.signal === "SIGTERM" && !this.stderr.includes("Sanitizer")) return;
    await super.finish();
  }

  async metrics() {
    const response = await fetch(`${this.url}/metrics/prometheus`);
    return response.text();
  }

  // The value of one sample of the metrics' text, NaN if it is not there.
  async metric(name) {
    const line = (await this.metrics()).split("\n").find((text) => text.startsWith(`${name} `));
    return line ? Number(line.slice(name.length + 1)) : NaN;
  }
}

// A socket.io client that is closed with the test.
export function client(t, url, options = {}) {
  const socket = io(url, { auth: { token: token(), learnerId: "L1" }, forceNew: true, reconnection: false, ...options });
  t.after(() => socket.close());
  return socket;
}

export function event(socket, name, limitMs = 5000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no "${name}" within ${limitMs * slow} ms`)), limitMs * slow);
    const finish = (settle) => (value) => (clearTimeout(timer), settle(value));
    socket.once(name, finish(resolve));
    if (name === "connect") socket.once("connect_error", finish(reject));
  });
}

export async function connected(t, url, options) {
  const socket = client(t, url, options);
  await event(socket, "connect");
  return socket;
}

// One request through node:http, which lets everything be set; resolves with status, headers and body.
export function request(url, { method = "GET", headers = {}, body, path } = {}) {
  const target = new URL(url);
  return new Promise((resolve, reject) => {
    const req = http.request(
      { host: target.hostname, port: target.port, method, headers, path: path ?? target.pathname + target.search, agent: false },
      (res) => {
        const parts = [];
        res.on("data", (part) => parts.push(part));
        res.on("end", () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts).toString() }));
        res.on("error", reject);
      });
    req.on("upgrade", (res, socket) => {
      socket.destroy();
      resolve({ status: 101, headers: res.headers, body: "" });
    });
    req.on("error", reject);
    req.setTimeout(10000 * slow, () => req.destroy(new Error("no answer")));
    req.end(body);
  });
}

// Bytes as they are; resolves with all that came until the other side closed, or after the limit.
export function raw(port, bytes, limitMs = 3000) {
  return new Promise((resolve) => {
    const parts = [];
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    const done = (closed) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ closed, bytes: Buffer.concat(parts) });
    };
    const timer = setTimeout(() => done(false), limitMs);
    socket.on("data", (part) => parts.push(part));
    socket.on("close", () => done(true));
    socket.on("error", () => {});
  });
}
