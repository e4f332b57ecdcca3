// libaivo under test, through the driver program: commands as JSON lines, events as JSON lines.
import assert from "node:assert/strict";
import { Child, programs, slow } from "./process.mjs";

// Fast reconnects, so that tests do not wait; the delays themselves are tested elsewhere.
export const quick = { floorMs: 20, baseMs: 100, capMs: 400, stableAfterMs: 100 };

// Members that are JSON: they travel as text, so that nothing between changes a number or a character.
const json = ["args", "answer", "auth", "payload"];

// A plain WebSocket's text may be no JSON.
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export class Driver extends Child {
  constructor(t, options = {}) {
    super(t, programs.driver, [], options);
    this.events = [];
    this.replies = new Map();
    this.waiters = [];
    this.serial = 0;
    this.exit.then(() => {
      for (const { reject } of [...this.replies.values(), ...this.waiters])
        reject(new Error(`the driver ended: ${JSON.stringify(this.ended)} ${this.stderr.slice(-4000)}`));
    });
  }

  line(text) {
    const message = JSON.parse(text);
    for (const name of json) if (typeof message[name] === "string") message[name] = parsed(message[name]);
    if ("re" in message) {
      const { resolve } = this.replies.get(message.re);
      this.replies.delete(message.re);
      resolve(message);
      return;
    }
    message.at = Date.now();
    this.events.push(message);
    this.wake();
  }

  wake() {
    for (const waiter of [...this.waiters]) {
      const at = this.events.findIndex((event) => !event.taken && event.ev === waiter.ev && waiter.matches(event));
      if (at < 0) continue;
      this.waiters.splice(this.waiters.indexOf(waiter), 1);
      this.events[at].taken = true;
      waiter.resolve(this.events[at]);
    }
  }

  askToEnd() {
    this.process.stdin.end();
  }

  // Carries a command out; resolves with the whole answer.
  ask(cmd, fields = {}) {
    const id = ++this.serial;
    fields = { ...fields };
    for (const name of json)
      if (typeof fields[name] === "object" && fields[name] !== null) fields[name] = JSON.stringify(fields[name]);
    return new Promise((resolve, reject) => {
      this.replies.set(id, { resolve, reject });
      this.process.stdin.write(JSON.stringify({ cmd, id, ...fields }) + "\n");
    });
  }

  // The same, and it must succeed.
  async do(cmd, fields = {}) {
    const answer = await this.ask(cmd, fields);
    assert.equal(answer.status, "AIVO_OK", `${cmd}: ${JSON.stringify(answer)}`);
    return answer;
  }

  // The next event of a kind that was not waited for yet.
  next(ev, matches = () => true, limitMs = 5000) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.splice(this.waiters.indexOf(waiter), 1);
        const seen = this.events.slice(-20).map((event) => JSON.stringify(event).slice(0, 300));
        reject(new Error(`no "${ev}" event within ${limitMs * slow} ms; the latest were:\n${seen.join("\n")}\n${this.stderr}`));
      }, limitMs * slow);
      const waiter = { ev, matches };
      waiter.resolve = (event) => (clearTimeout(timer), resolve(event));
      waiter.reject = (error) => (clearTimeout(timer), reject(error));
      this.waiters.push(waiter);
      this.wake();
    });
  }

  all(ev) {
    return this.events.filter((event) => event.ev === ev);
  }

  state(to, limitMs) {
    return this.next("state", (event) => event.to === to, limitMs);
  }

  // Creates the client, listens and connects.
  async connect(options, { on = [], wait = "connected" } = {}) {
    await this.create(options, { on });
    await this.do("start");
    if (wait) await this.state(wait);
  }

  async create(options, { on = [] } = {}) {
    await this.do("create", { reconnect: quick, proxy: "", ...options });
    for (const entry of on) await this.do("on", typeof entry === "string" ? { event: entry } : entry);
  }

  // Emits with an ack and resolves with its event.
  async emitWithAck(event, args, fields = {}, limitMs = 5000) {
    const answer = await this.do("emit", { event, args, ack: true, ...fields });
    return this.next("ack", (e) => e.id === answer.re, limitMs);
  }
}
