// Writes lib/constants.cjs, lib/constants.d.cts and lib/types.d.cts from include/p2pnet.h, or compares them with it.
//
//   node scripts/constants.mjs           writes them
//   node scripts/constants.mjs --check   exit status 1 if they are not what it would write

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const HEADER = here('../../../include/p2pnet.h');
const BY_HAND = 'Written from include/p2pnet.h by scripts/constants.mjs: not by hand.';

/** [{ name: 'p2p_opt', members: [{ name, value, doc }] }] */
function readEnums(header) {
  const enums = [];
  for (const [, name, body] of header.matchAll(/^enum (p2p_\w+)\n(?:#.*\n.*\n#.*\n)?\s*\{\n([\s\S]*?)^\};/gm)) {
    const members = [];
    for (const [, doc, member, value] of body.matchAll(/\/\*\*([\s\S]*?)\*\/\s*(P2P_\w+) = (-?\d+),/g)) {
      members.push({ name: member, value: Number(value), doc: doc.replace(/\s*\n\s*\* ?/g, ' ').trim() });
    }
    const listed = [...body.matchAll(/^\s*P2P_\w+ = /gm)].length;
    if (members.length !== listed || listed === 0) throw new Error(`enum ${name}: ${members.length} of ${listed} read`);
    enums.push({ name, members });
  }
  const declared = [...header.matchAll(/^enum p2p_\w+$/gm)].length;
  if (enums.length !== declared) throw new Error(`${enums.length} of ${declared} enums read`);
  return enums;
}

function constantsCjs(enums) {
  const lines = enums.flatMap(({ members }) => members.map(({ name, value }) => `  ${name}: ${value},`));
  return `'use strict';\n// ${BY_HAND}\n\nmodule.exports = Object.freeze({\n${lines.join('\n')}\n});\n`;
}

function constantsTypes(enums) {
  const lines = enums.flatMap(({ members }) =>
    members.flatMap(({ name, value, doc }) => [`  /** ${doc} */`, `  readonly ${name}: ${value};`]),
  );
  return `// ${BY_HAND}\n\ndeclare const constants: {\n${lines.join('\n')}\n};\nexport = constants;\n`;
}

/** P2P_NODE_ -> NodeType; the names are those that programs use. */
const UNIONS = {
  NodeType: 'P2P_NODE_',
  NetType: 'P2P_NET_',
  NatType: 'P2P_NAT_',
  Forwarding: 'P2P_FWD_',
  Mapping: 'P2P_MAPPING_',
  Allocation: 'P2P_ALLOCATION_',
  Unsolicited: 'P2P_UNSOLICITED_',
  Via: 'P2P_VIA_',
  Path: 'P2P_PATH_',
  CandidateKind: 'P2P_CANDIDATE_',
  Dialect: 'P2P_DIALECT_',
  Framing: 'P2P_FRAMING_',
  LogLevel: 'P2P_LOG_',
  ServerKind: 'P2P_SERVER_',
  MainlineShare: 'P2P_MAINLINE_',
};

function typesText(enums) {
  const { optionName, ENUMS, BITS, SWITCHES } = require('../lib/options.cjs');
  const all = enums.flatMap(({ members }) => members);
  const unionOf = Object.fromEntries(Object.entries(UNIONS).map(([union, prefix]) => [prefix, union]));
  const unions = Object.entries(UNIONS).map(([union, prefix]) => {
    const names = all
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name }) => `'${name.slice(prefix.length).toLowerCase().replaceAll('_', '-')}'`);
    if (names.length === 0) throw new Error(`no constants begin with ${prefix}`);
    return `export type ${union} = ${names.join(' | ')};`;
  });
  const codes = all.filter(({ name }) => name === 'P2P_OK' || name.startsWith('P2P_ERR_'));
  const options = all
    .filter(({ name }) => name.startsWith('P2P_OPT_'))
    .flatMap(({ name, value, doc }) => {
      const option = optionName(name);
      let type = value < 1000 ? 'number | bigint' : 'string';
      if (ENUMS[option]) type = `${unionOf[ENUMS[option]]} | number`;
      else if (BITS[option]) type = `readonly ${unionOf[BITS[option]]}[] | number`;
      else if (SWITCHES.has(option)) type = 'boolean | number';
      return [`  /** ${doc} (${name}) */`, `  ${option}?: ${type} | undefined;`];
    });
  return [
    `// ${BY_HAND}`,
    '',
    ...unions,
    `/** The C name of a result. */`,
    `export type ResultCode =\n${codes.map(({ name }) => `  | '${name}'`).join('\n')};`,
    '',
    '/** The options of the library. The default stands first; times are in milliseconds, sizes in bytes. */',
    'export interface LibraryOptions {',
    ...options,
    '}',
    '',
  ].join('\n');
}

const enums = readEnums(readFileSync(HEADER, 'utf8'));
const check = process.argv.includes('--check');
let differ = 0;

function put(name, text) {
  const path = here(`../lib/${name}`);
  let before = '';
  try {
    before = readFileSync(path, 'utf8');
  } catch (why) {
    if (why.code !== 'ENOENT') throw why;
  }
  if (before === text) return;
  differ += 1;
  if (check) console.error(`lib/${name} is not what include/p2pnet.h says: run node scripts/constants.mjs`);
  else writeFileSync(path, text);
}

put('constants.cjs', constantsCjs(enums));
put('constants.d.cts', constantsTypes(enums));
put('types.d.cts', typesText(enums));
console.log(`${enums.reduce((n, { members }) => n + members.length, 0)} constants in ${enums.length} enumerations`);
process.exitCode = check && differ > 0 ? 1 : 0;
