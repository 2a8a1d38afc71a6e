import { join } from 'node:path';
import { InputError } from '../../src/errors.ts';
import type { PeerCommand } from './process.ts';

/** What else trains the same network: a library, on one of its backends, in one of its forms. */
export interface Peer {
  readonly id: string;
  readonly label: string;
  /** Peers that are chosen together. */
  readonly group: string;
  /** The script in bench/peers, and which of its variants. */
  readonly script: string;
  readonly variant: string;
  /** Products of TF32 are another precision than float32: such rows stand beside the others, and count for nothing. */
  readonly precision: 'float32' | 'tf32';
}

function family(
  group: string,
  script: string,
  label: string,
  variants: Readonly<Record<string, string>>,
): Peer[] {
  return Object.entries(variants).map(([variant, form]) => ({
    id: `${group}-${variant}`,
    label: `${label} ${form}`,
    group,
    script,
    variant,
    precision: variant.endsWith('-tf32') ? 'tf32' : 'float32',
  }));
}

/** Every peer there is, in the order in which they are measured. Each script says what its variants are. */
export const peers: readonly Peer[] = [
  ...family('jax-js', 'jax-js.mjs', 'jax-js', {
    webgpu: 'WebGPU',
    wasm: 'WebAssembly',
    'wasm-threads': 'WebAssembly, threads',
  }),
  ...family('tfjs', 'tfjs.mjs', 'tfjs', { webgpu: 'WebGPU', wasm: 'WebAssembly', cpu: 'plain JavaScript' }),
  ...family('torch', 'pytorch_peer.py', 'PyTorch', {
    eager: 'eager',
    compile: 'torch.compile',
    graph: 'CUDA graph',
    'compile-graph': 'torch.compile in a CUDA graph',
    'eager-tf32': 'eager, TF32',
    'graph-tf32': 'CUDA graph, TF32',
    'compile-graph-tf32': 'torch.compile in a CUDA graph, TF32',
  }),
  ...family('jax', 'jax_peer.py', 'JAX', {
    jit: 'jit',
    scan: 'jit + lax.scan',
    'scan-unrolled': 'jit + lax.scan, unrolled',
    'scan-tf32': 'jit + lax.scan, default precision',
  }),
];

const isPython = (peer: Peer): boolean => peer.script.endsWith('.py');

/** Whether a peer's library is an npm package, which the suite installs. */
export const needsNpm = (peer: Peer): boolean => !isPython(peer);

/**
 * Reads peers with commas between, each by its id or by its group.
 *
 * @throws InputError for one that is not there
 */
export function readPeers(text: string): readonly string[] {
  const groups = [...new Set(peers.map((peer) => peer.group))];
  const names = text.split(',').map((name) => name.trim());
  const ids = names.flatMap((name) => {
    const found = peers.filter((peer) => peer.id === name || peer.group === name);
    if (found.length === 0) {
      const known = [...groups, ...peers.map((peer) => peer.id)].join(', ');
      throw new InputError(`--peers: expected peers among ${known}, found '${name}'`);
    }
    return found.map((peer) => peer.id);
  });
  return [...new Set(ids)];
}

/** How a peer is started. Python is `python3`, or what the environment variable SYNGRAD_PYTHON says. */
export function commandOf(peer: Peer, folder: string): PeerCommand {
  const script = join('bench', 'peers', peer.script);
  if (isPython(peer)) {
    const program = process.env.SYNGRAD_PYTHON ?? (process.platform === 'win32' ? 'python' : 'python3');
    return { program, args: [script], cwd: folder, env: { PYTHONDONTWRITEBYTECODE: '1' } };
  }
  return { program: process.execPath, args: ['--import', 'tsx', script], cwd: folder };
}
