// What the bundle test builds for the browser: the package's shaders, as the engine imports them.
export { shaderSource } from '#shaders';
