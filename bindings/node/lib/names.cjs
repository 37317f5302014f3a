'use strict';
// Enumerations by name: P2P_NODE_PASSIVE is 'passive', P2P_MAPPING_ADDRESS_DEPENDENT is 'address-dependent'.

const constants = require('./constants.cjs');

/** The values of one enumeration, by name. `prefix` as in the header: 'P2P_NODE_'. */
function valuesOf(prefix) {
  const values = new Map();
  for (const [name, number] of Object.entries(constants)) {
    if (name.startsWith(prefix)) values.set(name.slice(prefix.length).toLowerCase().replaceAll('_', '-'), number);
  }
  return values;
}

/** A function from number to name. A number of a later version of the library is told as it is. */
function namesOf(prefix) {
  const names = new Map([...valuesOf(prefix)].map(([name, number]) => [number, name]));
  return (number) => names.get(number) ?? String(number);
}

module.exports = { valuesOf, namesOf };
