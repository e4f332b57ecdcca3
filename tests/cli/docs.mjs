// Do man pages, completion scripts and docs/cli.md say what --help says? Do the shells complete? Is every figure explained?
//
//   AIVO_BUILD=build/dev node tests/cli/docs.mjs
//
// The last line is "N passed, N failed, N skipped".
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const build = resolve(process.env.AIVO_BUILD ?? join(root, 'build/dev'));
const cli = join(build, 'sdk/aivo');
const scripts = { bash: join(build, 'docs/bash/aivo'), zsh: join(build, 'docs/zsh/_aivo'), fish: join(build, 'docs/fish/aivo.fish') };
const run = (program, ...args) => execFileSync(program, args, { encoding: 'utf8' });
const read = (path) => readFileSync(path, 'utf8');
const sorted = (items) => [...new Set(items)].sort();

let passed = 0, failed = 0;
function check(name, problems) {
  const list = [problems].flat(2).filter(Boolean);
  list.length === 0 ? passed++ : failed++;
  console.log(`${list.length === 0 ? 'ok' : 'FAILED'} docs: ${name}`);
  for (const problem of list) console.log(`    ${problem}`);
}
// What is in one list and not in the other.
const differ = (where, has, wants) => [
  ...wants.filter((one) => !has.includes(one)).map((one) => `${where} lacks ${one}`),
  ...has.filter((one) => !wants.includes(one)).map((one) => `${where} has ${one}, which --help has not`),
];

// ---- what --help says

const flagsIn = (text) => sorted([...text.matchAll(/^  (--[a-z-]+)/gm)].map((match) => match[1]));
function helpOf(words) {
  const text = run(cli, ...words, '--help');
  const [own, common = ''] = text.split('\nflags of every command that connects:\n');
  return { name: words.join(' '), own: flagsIn(own), common: flagsIn(common) };
}
const namesIn = (text) => [...text.split('\ncommands:\n')[1].split('\n\n')[0].matchAll(/^  ([a-z]+) /gm)].map((match) => match[1]);
const commands = namesIn(run(cli, '--help'));
const verbs = namesIn(run(cli, 'queue', '--help'));
const helps = commands.flatMap((name) => (name === 'queue' ? verbs.map((verb) => helpOf(['queue', verb])) : [helpOf([name])]));
const common = sorted(helps.flatMap((help) => help.common));

// ---- man pages

const itemsOf = (page) => sorted([...page.matchAll(/^\.It Fl (.*)$/gm)].flatMap(([, rest]) =>
  [...rest.matchAll(/\\-([a-z][a-z\\-]*)/g)].map((match) => `--${match[1].replaceAll('\\', '')}`)));
for (const name of commands) {
  const page = read(join(root, `docs/man/aivo-${name}.1`));
  const own = sorted(helps.filter((help) => help.name.split(' ')[0] === name).flatMap((help) => help.own));
  check(`aivo-${name}(1) has the flags of --help`, differ('the page', itemsOf(page), own));
}
const main = read(join(root, 'docs/man/aivo.1'));
check('aivo(1) has the common flags and every command', [
  differ('the page', itemsOf(main), common),
  commands.filter((name) => !main.includes(`.It Cm ${name}\n`)).map((name) => `the page lacks ${name}`),
]);
// A value is given as it is written here: "Socketio" is refused. What a flag takes is what its complaint lists.
const choicesOf = (words, flag) => /is none of: (.*) \(see /m.exec(spawnSync(cli, [...words, flag, 'no-such-value'], { encoding: 'utf8' }).stderr)?.[1].split(', ');
const itemText = (page, flag) => new RegExp(`^\\.It Fl \\\\-${flag.slice(2).replaceAll('-', '\\\\-')}(?: .*)?\n([^]*?)(?=^\\.(?:It|El))`, 'm').exec(page)?.[1] ?? '';
const chosen = [...common.map((flag) => ['aivo.1', ['watch'], flag]),
                ...helps.flatMap((help) => help.own.map((flag) => [`aivo-${help.name.split(' ')[0]}.1`, help.name.split(' '), flag]))]
  .map(([page, words, flag]) => ({ page, flag, choices: choicesOf(words, flag), text: itemText(read(join(root, 'docs/man', page)), flag) }))
  .filter((item) => item.choices);
check('the pages print values as they are taken', [
  chosen.length < 4 ? `only ${chosen.map((item) => item.flag).join(' ')} take one of several values?` : '',
  chosen.flatMap(({ page, flag, choices, text }) => choices.filter((value) => !new RegExp(`\\b${value}\\b`).test(text))
    .map((value) => `${page}: ${flag} lacks '${value}' as it is taken: ${text.trim()}`)),
]);
const serverFlags = flagsIn(run(join(build, 'server-stub/aivo-server'), '--help'));
check('aivo-server(8) has the flags of --help', differ('the page', itemsOf(read(join(build, 'docs/aivo-server.8'))),
  sorted([...serverFlags, '--version'])));
const pages = [...readdirSync(join(root, 'docs/man')).filter((name) => name.endsWith('.1')).map((name) => join(root, 'docs/man', name)),
               join(build, 'docs/aivo-server.8')];
for (const page of pages) {
  const lint = spawnSync('mandoc', ['-Tlint', '-W', 'warning', page], { encoding: 'utf8' });
  const man = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', page], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  check(`${page.split('/').at(-1)} is what mandoc and man like`, [lint.error ?? lint.stdout, man.error ?? man.stderr]);
}

// ---- docs/cli.md

const cliMd = read(join(root, 'docs/cli.md'));
check('docs/cli.md has every command and flag', [
  commands.filter((name) => !cliMd.includes(`aivo ${name}`)).map((name) => `it lacks aivo ${name}`),
  sorted(helps.flatMap((help) => [...help.own, ...help.common])).filter((flag) => flag !== '--help' && !cliMd.includes(flag)).map((flag) => `it lacks ${flag}`),
]);

// ---- completions: the scripts have the flags, and real shells offer them

const complete = promisify(execFile);
async function offered(shell, line) {
  const { stdout, failed } = await complete('bash', [join(here, 'complete.sh'), shell, scripts[shell], line], { cwd: root, timeout: 20000 })
    .catch((error) => ({ stdout: '', failed: `failed: ${error.stderr || error.message}` }));
  return sorted(stdout.split('\n').concat(failed).filter(Boolean));
}
await Promise.all(['bash', 'fish', 'zsh'].map(async (shell) => {
  const wanted = (shell === 'bash' ? helps : helps.filter((help) => ['watch', 'queue send'].includes(help.name)));
  check(`${shell} offers the flags of --help`, await Promise.all(wanted.map(async (help) =>
    differ(`aivo ${help.name}`, await offered(shell, `aivo ${help.name} --`), sorted([...help.own, ...help.common, '--help'])))));
  const expected = {
    'aivo wa': ['watch'],
    'aivo queue se': ['send'],
    'aivo diagnose http://h --format m': ['markdown'],
    'aivo history --by h': ['hour'],
    'aivo watch --ca READ': ['README.md'],
    'aivo queue stats READ': ['README.md'],
    'aivo watch --count ': [],
    'aivo completion f': ['fish'],
  };
  check(`${shell} completes commands, verbs, choices and files`, await Promise.all(Object.entries(expected).map(async ([line, words]) => {
    const has = await offered(shell, line);
    return has.join() === words.join() ? '' : `'${line}': ${has.join(' ')}`;
  })));
}));

// ---- --explain

// Every number of a diagnosis has a sentence below it.
async function explained() {
  const cwd = mkdtempSync(join(tmpdir(), 'aivo-docs-'));
  const secret = 'tests-secret-tests-secret-tests-secret';
  const server = spawn(join(build, 'server-stub/aivo-server'), ['--port', '0'], { cwd, env: { ...process.env, NEXTAUTH_SECRET: secret }, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const url = await new Promise((done, bad) => {
      server.stdout.setEncoding('utf8').on('data', (text) => done(/http:\S+/.exec(text)?.[0]));
      server.on('exit', () => bad(new Error('aivo-server did not start')));
    });
    const args = ['diagnose', url, '--token-secret', secret, '--user', 'u', '--count', '2', '--throughput', '--headroom'];
    const report = JSON.parse(spawnSync(cli, [...args, '--json'], { encoding: 'utf8' }).stdout);
    const lines = spawnSync(cli, [...args, '--explain'], { encoding: 'utf8' }).stdout.split('\n');
    const explained = (key) => lines.some((line, i) => line.startsWith('        ') && line.includes(`${key}: `) && /^ {12}\S/.test(lines[i + 1] ?? ''));
    const numbers = (facts) => Object.entries(facts).flatMap(([key, value]) =>
      Array.isArray(value) ? value.flatMap(numbers) : typeof value === 'number' ? [key] : []);
    return report.stages.flatMap((stage) => sorted(numbers(stage.facts)).filter((key) => !explained(key)).map((key) => `${stage.stage}: ${key} has no explanation`));
  } finally {
    server.kill('SIGTERM');
    rmSync(cwd, { recursive: true, force: true });
  }
}
check('--explain explains every number', await explained());

console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
