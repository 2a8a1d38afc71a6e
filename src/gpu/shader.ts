/** The named numbers of a shader: its `const NAME: u32 = 16u;` lines. */
export type Constants = Readonly<Record<string, number>>;

const CONSTANT = /^const ([A-Z][A-Z0-9_]*): u32 = (\d+)u;/gm;

/**
 * Reads the `const NAME: u32 = 16u;` lines of a shader, so that the grid is computed from the numbers the shader
 * itself was compiled with and the two cannot disagree.
 */
export function readConstants(source: string): Constants {
  const found: Record<string, number> = {};
  for (const [, name, digits] of source.matchAll(CONSTANT)) found[name!] = Number(digits);
  return found;
}

/**
 * The same shader with other constants: rewrites exactly the line of each name given and nothing else.
 *
 * @throws Error when the shader has no constant of that name, or the value is no integer from 0 on.
 */
export function withConstants(source: string, changed: Constants, file: string): string {
  let text = source;
  for (const [name, value] of Object.entries(changed)) {
    if (!Number.isInteger(value) || value < 0) {
      throw new Error(`shaders/${file}.wgsl: constant ${name} must be an integer from 0 on, got ${value}`);
    }
    const line = new RegExp(`^const ${name}: u32 = \\d+u;`, 'm');
    if (!line.test(text)) throw new Error(`shaders/${file}.wgsl has no line "const ${name}: u32 = ...u;"`);
    text = text.replace(line, `const ${name}: u32 = ${value}u;`);
  }
  return text;
}

/** A shader that does not compile, told with the file, the line and the line's text. */
export class ShaderError extends Error {
  override name = 'ShaderError';
}

/** What {@link GPUCompilationMessage} carries, so that messages can be formatted without a device. */
export interface ShaderMessage {
  readonly message: string;
  readonly lineNum: number;
  readonly linePos: number;
}

/**
 * One compiler message with its place and the line it complains about:
 *
 *     shaders/relu_forward.wgsl:15:10 unresolved call target 'foo'
 *       15 |   y[i] = foo(x[i]);
 */
export function formatShaderMessage(file: string, source: string, message: ShaderMessage): string {
  const text = source.split('\n')[message.lineNum - 1] ?? '';
  const place = `shaders/${file}.wgsl:${message.lineNum}:${message.linePos}`;
  return `${place} ${message.message}\n  ${message.lineNum} | ${text}`;
}
