// How Node finds the shader files: they are read from this folder as they lie on disk.
// A bundler takes bundle.js instead (package.json, "imports", "#shaders"), with the same exports.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @param {string} name */
export function shaderSource(name) {
  return readFileSync(fileURLToPath(new URL(`./${name}.wgsl`, import.meta.url)), 'utf8');
}
