// Makes the package: node scripts/pack.mjs --to FOLDER [--lib FILE] [--headers FOLDER]
//
// What goes into it is put together in FOLDER/package (the sources here, the header and the licence of the project, the
// addon for this platform), and packed by npm into FOLDER/p2pnet-VERSION.tgz. Nothing is written beside this file.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const project = path.join(root, '../..');
const { values } = parseArgs({
  options: { to: { type: 'string' }, lib: { type: 'string' }, headers: { type: 'string' } },
});
if (!values.to) {
  console.error('usage: node scripts/pack.mjs --to FOLDER [--lib FILE] [--headers FOLDER]');
  process.exit(2);
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', cwd });
  if (error || status !== 0) {
    console.error(`pack: ${command} ${args.join(' ')}: ${error ? error.message : `status ${status}`}`);
    process.exit(1);
  }
}

const stage = path.join(values.to, 'package');
rmSync(stage, { recursive: true, force: true });
mkdirSync(stage, { recursive: true });
for (const part of ['package.json', 'README.md', 'lib', 'src', 'scripts', 'examples']) {
  cpSync(path.join(root, part), path.join(stage, part), { recursive: true });
}
cpSync(path.join(project, 'include', 'p2pnet.h'), path.join(stage, 'include', 'p2pnet.h'));
cpSync(path.join(project, 'LICENSE'), path.join(stage, 'LICENSE'));

const out = path.join(stage, 'prebuilds', `${process.platform}-${process.arch}`, 'p2pnet.node');
const build = ['scripts/build.mjs', '--out', path.resolve(out)];
build.push('--lib', path.resolve(values.lib ?? path.join(project, 'target/release/libp2pnet.a')));
if (values.headers) build.push('--headers', path.resolve(values.headers));
run(process.execPath, build, stage);
run('npm', ['pack', '--silent', '--pack-destination', path.resolve(values.to)], stage);
const { name, version } = JSON.parse(readFileSync(path.join(stage, 'package.json'), 'utf8'));
console.log(path.join(values.to, `${name}-${version}.tgz`));
