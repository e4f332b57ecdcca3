// Programs under test: started, watched and ended together with the test that uses them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const top = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
export const build = process.env.AIVO_BUILD || path.join(top, "build/dev");
export const programs = {
  driver: path.join(build, "tests/e2e/aivo_e2e_driver"),
  diagnose: path.join(build, "tests/e2e/aivo_e2e_diagnose"),
  server: path.join(build, "server-stub/aivo-server"),
  aivo: path.join(build, "sdk/aivo"),
};

// Sanitizers make everything slower; limits are stretched, expectations are not.
export const slow = /asan|tsan/.test(build) ? 4 : 1;
export const long = Boolean(process.env.AIVO_LONG);

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Waits until `what()` is true (or a value), and fails with `describe` after the limit.
export async function until(what, describe, limitMs = 5000) {
  const end = Date.now() + limitMs * slow;
  for (;;) {
    const value = await what();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${limitMs * slow} ms: ${describe}`);
    await sleep(10);
  }
}

export function temporaryFolder(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "aivo-e2e-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

// A child process whose output is kept. It is ended with the test; ending by itself with another status than 0, or by
// a signal that the test did not send, fails the test: that is how a sanitizer's finding comes to light.
export class Child {
  constructor(t, program, args, { env = {}, cwd, expectExit = 0 } = {}) {
    this.program = program;
    this.stderr = "";
    this.lines = [];
    this.listeners = new Set();
    this.process = spawn(program, args, { env: { ...process.env, ...env }, cwd, stdio: ["pipe", "pipe", "pipe"] });
    this.process.stdin.on("error", () => {});
    this.process.stderr.setEncoding("utf8").on("data", (text) => (this.stderr += text));
    let rest = "";
    this.process.stdout.setEncoding("utf8").on("data", (text) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop();
      for (const line of parts) this.line(line);
    });
    this.exit = new Promise((resolve, reject) => {
      this.process.on("error", reject);
      this.process.on("close", (code, signal) => resolve((this.ended = { code, signal })));
    });
    this.expectExit = expectExit;
    t.after(() => this.finish());
  }

  line(text) {
    this.lines.push(text);
    for (const listener of this.listeners) listener(text);
  }

  // How a well-behaved end is asked for.
  askToEnd() {
    this.process.kill("SIGTERM");
  }

  kill(signal = "SIGKILL") {
    if (signal === "SIGKILL") this.killed = true;
    this.process.kill(signal);
    return this.exit;
  }

  async finish() {
    if (!this.ended) {
      this.askToEnd();
      const timer = setTimeout(() => this.process.kill("SIGKILL"), 15000 * slow);
      await this.exit;
      clearTimeout(timer);
    }
    if (!this.killed)
      assert.deepEqual(this.ended, { code: this.expectExit, signal: null }, `${this.program}: ${this.stderr.slice(-6000)}`);
  }
}
