// Is anything left out of the documents?
//
//   AIVO_BUILD=build/dev node tests/docs/complete.mjs
//
// - Every setting that aivo-server knows (--help, --check, .env.example) is in docs/server.md, and the other way round, with its
//   default; so is every metric that it exports, with its reasons and types, every event, and every kind of security event.
// - Every source file of the SDK, the server, the command line and the desktop is named on a page of docs/internals, by its
//   name or that of its module (`store_sqlite.c`, `store_*`, `store`); no page names a file that is not there.
// - docs/README.md leads to every document, every decision in docs/adr has a number of its own, and no page's text
//   speaks of a place that only its writer had.
// The last line is "N passed, N failed, N skipped".
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const build = resolve(process.env.AIVO_BUILD ?? join(root, 'build/dev'));
const program = join(build, 'server-stub/aivo-server');
const read = (path) => readFileSync(join(root, path), 'utf8');
const env = { PATH: process.env.PATH };

let passed = 0;
let failed = 0;
function check(name, problems) {
  const list = problems.flat();
  if (list.length) failed += 1;
  else passed += 1;
  console.log(list.length ? `not ok ${name}: FAILED: ${list.join('; ')}` : `ok ${name}`);
}
const without = (list, others) => [...new Set(list)].filter((one) => !others.includes(one));
const named = (text, word) => new RegExp(`(?<![\\w])${word.replace(/[.*+?^$]/g, '\\$&')}(?![\\w])`).test(text);

// ---- aivo-server

const server = read('docs/server.md');
const run = (...args) => spawnSync(program, args, { encoding: 'utf8', env });
const help = run('--help').stdout;
const settings = [...run('--check', '--env', '/dev/null').stdout.matchAll(/^([A-Z][A-Z_]+)=/gm)].map(([, name]) => name);
const example = [...read('server-stub/.env.example').matchAll(/^#?([A-Z][A-Z_]+)=/gm)].map(([, name]) => name);
const flags = [...help.matchAll(/^  --([a-z-]+)/gm)].map(([, flag]) => flag);
const table = [...server.matchAll(/^\| (`[A-Z][A-Z_]+`(?:, `[A-Z][A-Z_]+`)*) \|([^|]*)\|/gm)]
  .flatMap(([, names, defaults]) => names.match(/[A-Z][A-Z_]+/g).map((name, i) => ({ name, value: defaults.split(', ')[i]?.trim() ?? '' })));

check('there is something to compare', settings.length > 40 && table.length > 40 && flags.length > 40 ? [] :
  [`${settings.length} settings, ${table.length} in the table, ${flags.length} flags`]);
check('docs/server.md has every setting', without(settings, table.map(({ name }) => name)));
check('docs/server.md has no other setting', without(table.map(({ name }) => name), settings));
check('.env.example has every setting', without(settings, example));
check('--help has every setting', without(settings, flags.map((flag) => flag.toUpperCase().replaceAll('-', '_'))));
check('docs/server.md has every flag that is no setting',
  flags.filter((flag) => !settings.includes(flag.toUpperCase().replaceAll('-', '_')) && !server.includes(`--${flag}`)));
check('docs/server.md has the defaults that --help has', table.filter(({ name, value }) => {
  const flag = name.toLowerCase().replaceAll('_', '-');
  const told = help.match(new RegExp(`^  --${flag} .*(?:\\n {10,}.*)*`, 'm'))?.[0].match(/\[([^\]]*)\]/)?.[1];
  return told !== undefined && value.trim() !== `\`${told}\`` && !(value.trim() === '' && told === '');
}).map(({ name, value }) => `${name}: ${value}`));

function metricsOf(...flagsOfServer) {
  return new Promise((done, fail) => {
    const child = spawn(program, ['--port', '0', '--log-level', 'error', '--env', '/dev/null', ...flagsOfServer],
      { env, stdio: ['ignore', 'pipe', 'ignore'] });
    child.on('exit', () => fail(new Error('the server did not start')));
    child.stdout.on('data', async (data) => {
      const url = String(data).match(/listening on (\S+)/)?.[1];
      if (!url) return;
      get(`${url}/metrics/prometheus`, { rejectUnauthorized: false, agent: false }, async (response) => {
        const text = (await response.setEncoding('utf8').toArray()).join('');
        child.removeAllListeners('exit');
        child.kill('SIGTERM');
        done(text);
      }).on('error', fail);
    });
  });
}
// Nothing listens on port 1: the metrics of Redis and of an agent are there all the same, and with TLS its certificate's.
const folder = mkdtempSync(join(tmpdir(), 'aivo-docs-'));
const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-keyout', key, '-out', certificate], { stdio: 'ignore' });
const exported = await metricsOf('--redis-host', '127.0.0.1', '--redis-port', '1', '--agent-url', 'http://127.0.0.1:1/',
  '--ssl-enabled', '--ssl-key-path', key, '--ssl-cert-path', certificate);
rmSync(folder, { recursive: true });
const metrics = [...exported.matchAll(/^# TYPE (\w+) (\w+)/gm)];
check('docs/server.md has every metric', metrics.length < 15 ? [`only ${metrics.length} are exported`] :
  metrics.map(([, name]) => name).filter((name) => !named(server, name)));
const rows = [...server.matchAll(/^\| ((?:`[a-z_]+`(?:, )?)+) \| (?:gauge|counter|histogram|as Prom)/gm)].flatMap(([, names]) => names.match(/[a-z_]+/g));
check('docs/server.md has no other metric', without(rows, metrics.map(([, name]) => name)));

const labels = [...exported.matchAll(/(?:reason|type)="([^"]+)"/g)].map(([, value]) => value);
check('docs/server.md has every reason and type', labels.length < 15 ? [`only ${labels.length} are exported`] :
  labels.filter((value) => !server.includes(`\`${value}\``)));
const code = readdirSync(join(root, 'server-stub/src')).filter((name) => name.endsWith('.c')).map((name) => read(`server-stub/src/${name}`)).join('\n');
const events = [...new Set([...code.matchAll(/"([a-z]+:[a-z]+)"/g)].map(([, name]) => name))].filter((name) => !/^(test|bench):/.test(name));
check('docs/server.md has every event', events.length < 8 ? [`only ${events.length} are found`] : events.filter((name) => !server.includes(`\`${name}\``)));
const kinds = [...read('server-stub/src/audit.c').matchAll(/\] = \{"(\w+)",/g)].map(([, name]) => name);
check('docs/server.md has every kind of security event', kinds.length < 10 ? [`only ${kinds.length} are found`] : kinds.filter((name) => !server.includes(`\`${name}\``)));

// ---- what a build needs

const words = (text) => text.split(/[\s`,]+/).filter((word) => /^[a-z0-9.+-]{3,}$/.test(word) && !['for', 'the', 'also', 'desktop'].includes(word)).sort();
const quickstart = [...read('packaging/quickstart.sh').matchAll(/packages\+?=\(([^)]+)\)/g)].flatMap(([, list]) => words(list)).sort();
const byHand = words(read('README.md').match(/^## Build by hand\n\n[^:]+: ([^;]+);/m)?.[1] ?? '');
check('README.md and quickstart.sh name the same packages', byHand.length < 10 ? [`only ${byHand.length} are found`] : [...without(byHand, quickstart), ...without(quickstart, byHand)]);

// ---- the modules

const pages = readdirSync(join(root, 'docs/internals')).filter((name) => name.endsWith('.md'));
const text = pages.map((name) => read(`docs/internals/${name}`)).join('\n');
function sources(folder) {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (statSync(join(root, path)).isDirectory()) return sources(path);
    return name.endsWith('.c') ? [path] : [];
  });
}
const folders = ['sdk/src', 'sdk/cli', 'server-stub/src', 'gui/widgets', 'gui/app'];
// `store_*` and `queue_*` stand for all that begin so, `{a,b}.c` for each.
const patterns = [...text.matchAll(/\b([\w-]+[_-])\*/g)].map(([, start]) => start);
const braces = [...text.matchAll(/([\w-]*)\{([\w,.-]+)\}/g)].flatMap(([, start, list]) => list.split(',').map((one) => start + one));
const covered = (path) => {
  const stem = basename(path, '.c');
  return named(text, stem) || braces.includes(stem) || patterns.some((start) => stem.startsWith(start));
};
for (const folder of folders.filter((one) => existsSync(join(root, one))))
  check(`docs/internals names every file of ${folder}`, sources(folder).filter((path) => !covered(path)));

const files = new Set(spawnSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).stdout.split('\n').map((path) => basename(path)));
for (const page of pages) {
  const gone = [...read(`docs/internals/${page}`).matchAll(/`(?:[\w/-]+\/)?([\w-]+\.[ch])`/g)].map(([, name]) => name)
    .filter((name) => !/_X\./.test(name) && files.size > 1 && !files.has(name));
  if (gone.length) check(`docs/internals/${page} names files that are there`, gone);
}

// ---- pictures: each is shown somewhere, and made by the script

const markdown = spawnSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).stdout.split('\n').filter((path) => path && existsSync(join(root, path)));
const drawn = spawnSync('bash', [join(root, 'docs/screenshots.sh'), '--list'], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
const shown = markdown.flatMap((path) => [...read(path).matchAll(/!\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, target]) => join(dirname(path), target)))
  .concat([...read('gui/data/io.github.artpromedia.AivoMonitor.metainfo.xml').matchAll(/<image[^>]*>[^<]*\/main\/([^<]+)<\/image>/g)].map(([, path]) => path));
const drawings = drawn.map((name) => `docs/images/${name}`);
check('every picture that is shown is made by docs/screenshots.sh', shown.length < 5 ? [`only ${shown.length} are shown`] : without(shown, drawings));
check('every picture that docs/screenshots.sh makes is there and shown', drawings.filter((path) => !existsSync(join(root, path)) || !shown.includes(path)));
check('docs/images has nothing else', without(readdirSync(join(root, 'docs/images')), drawn));

// ---- the whole

const index = read('docs/README.md');
check('docs/README.md leads to every document', readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md') && name !== 'README.md' && !index.includes(`(${name}`)));
check('docs/README.md leads to every page of internals', pages.filter((name) => !index.includes(`(internals/${name})`)));
const decisions = readdirSync(join(root, 'docs/adr')).filter((name) => name.endsWith('.md'));
check('docs/README.md leads to every decision', decisions.filter((name) => !index.includes(`(adr/${name})`)));
check('each decision has a number of its own', decisions.filter((name, i) => decisions.findIndex((other) => other.slice(0, 4) === name.slice(0, 4)) !== i));
const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'tests/README.md',
  ...['docs', 'docs/internals', 'docs/adr'].flatMap((folder) => readdirSync(join(root, folder)).filter((name) => name.endsWith('.md')).map((name) => `${folder}/${name}`))];
check('no document speaks of somebody\'s own folders', documents.filter((path) => /(^|[\s`'"(])\/(home|root|work|Users)\//.test(read(path)))
  .map((path) => relative(root, join(root, path))));

console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exitCode = failed ? 1 : 0;
