/** The text of `shaders/<name>.wgsl`. Throws when there is no such file. */
export function shaderSource(name: string): string;
