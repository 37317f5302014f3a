export * from './index.cjs';
declare const p2pnet: typeof import('./index.cjs');
export default p2pnet;
