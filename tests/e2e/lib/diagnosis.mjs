// Runs a diagnosis and reads what it found.
import assert from "node:assert/strict";
import { Child, programs } from "./process.mjs";

export const stageNames = ["dns", "tcp", "proxy", "tls", "http", "engineio", "auth", "probes", "polling", "throughput", "rate-limit"];

// settings: those of diagnose_driver.c. Few and fast probes unless told otherwise.
export function begin(t, url, settings = {}, env = {}) {
  const all = { count: 3, interval: 100, stage_timeout: 2000, ...settings };
  const args = Object.entries(all).map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  const clean = { http_proxy: "", https_proxy: "", HTTP_PROXY: "", HTTPS_PROXY: "", no_proxy: "", NO_PROXY: "" };
  return new Child(t, programs.diagnose, [url, ...args], { env: { ...clean, ...env } });
}

export async function finish(child) {
  await child.exit;
  const lines = child.lines.map((line) => JSON.parse(line));
  const report = lines.at(-1);
  assert.ok(report?.verdict, `no report: ${JSON.stringify(child.ended)} ${child.stderr.slice(-4000)}`);
  const ends = lines.filter((line) => line.end);
  // Every stage ends exactly once, and in order; none begins before the one before it has ended.
  assert.deepEqual(ends.map((line) => line.end), stageNames);
  let open = null;
  for (const line of lines) {
    if (line.begin) {
      assert.equal(open, null, `${line.begin} began while ${open} was under way`);
      open = line.begin;
    } else if (line.end) {
      assert.ok(line.end === open || line.status === "skip", `${line.end} ended without a beginning`);
      open = null;
      assert.deepEqual(line.unexplained, [], `facts of ${line.end} that nobody explains`);
      if (line.status === "fail" || line.status === "warn")
        assert.ok(line.code && line.reason && line.fix, `${line.end} without code, reason or fix: ${JSON.stringify(line)}`);
    }
  }
  report.stages = Object.fromEntries(ends.map((line) => [line.end, line]));
  assert.equal(child.ended.code, report.exit_code, child.stderr);
  child.expectExit = report.exit_code;
  return report;
}

export const diagnose = async (t, url, settings, env) => finish(begin(t, url, settings, env));

// The stage names the fault, and is what the whole is said to fail of.
export function assertFails(report, stage, code, exit) {
  const at = report.stages[stage];
  assert.equal(at.status, "fail", JSON.stringify(report.stages));
  assert.equal(at.code, code, JSON.stringify(at));
  assert.equal(report.culprit, stage);
  assert.equal(report.exit_code, exit);
  for (const name of stageNames.slice(0, stageNames.indexOf(stage)))
    assert.ok(["ok", "warn", "skip"].includes(report.stages[name].status), `${name}: ${report.stages[name].reason}`);
  return at;
}

export function assertWarns(report, stage, code) {
  const at = report.stages[stage];
  assert.equal(at.status, "warn", JSON.stringify(report.stages));
  assert.ok(at.findings.includes(code), JSON.stringify(at));
  return at;
}
