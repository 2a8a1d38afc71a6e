// How a bundler (Vite) finds the shader files: their texts are put into the bundle when it is built.
// Node takes node.js instead (package.json, "imports", "#shaders"), with the same exports.
const texts = import.meta.glob('./*.wgsl', { query: '?raw', import: 'default', eager: true });

/** @param {string} name */
export function shaderSource(name) {
  const text = texts[`./${name}.wgsl`];
  if (text === undefined) throw new Error(`shaders/${name}.wgsl is not in this bundle`);
  return text;
}
