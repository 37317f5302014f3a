// For import. One implementation serves both worlds: an object made here is an instance of the class there.
import p2pnet from './index.cjs';

export const { Net, Connection, P2PError, start, checkUnl, readUnl, constants, versions, capabilities } = p2pnet;
export default p2pnet;
