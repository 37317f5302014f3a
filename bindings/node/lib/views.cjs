'use strict';
// What the library tells in numbers, in words: enumerations by name, null for what is not known.

const { namesOf } = require('./names.cjs');
const { text } = require('./options.cjs');

const NAMES = {
  nodeType: namesOf('P2P_NODE_'),
  nat: namesOf('P2P_NAT_'),
  forwarding: namesOf('P2P_FWD_'),
  mapping: namesOf('P2P_MAPPING_'),
  allocation: namesOf('P2P_ALLOCATION_'),
  unsolicited: namesOf('P2P_UNSOLICITED_'),
};
const candidateName = namesOf('P2P_CANDIDATE_');

function named(raw) {
  const view = { ...raw };
  for (const [name, nameOf] of Object.entries(NAMES)) if (name in view) view[name] = nameOf(view[name]);
  return view;
}

/** 1 yes, 0 no, -1 not known */
const known = (number) => (number < 0 ? null : number === 1);

function netInfo(raw) {
  const { clockKnown, ...view } = named(raw);
  for (const name of ['reachable', 'reachableV6', 'hairpin', 'doubleNat']) view[name] = known(view[name]);
  view.clockOffsetUs = clockKnown ? view.clockOffsetUs : null;
  return view;
}

function unlInfo(raw) {
  const view = named(raw);
  view.expires = raw.expires === 0 ? null : new Date(raw.expires * 1000);
  view.candidates = raw.candidates.map(({ kind, address }) => ({ kind: candidateName(kind), address }));
  return view;
}

/** { wanIp: '203.0.113.7', candidate: [...] } as "wan_ip=203.0.113.7", ... */
function changeTexts(changes) {
  return Object.entries(changes).flatMap(([name, value]) => {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return (Array.isArray(value) ? value : [value]).map((each) => text(name, `${snake}=${each}`));
  });
}

module.exports = { netInfo, unlInfo, changeTexts };
