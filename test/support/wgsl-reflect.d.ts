// The package's entry for Node is a CommonJS file in an ES module package, which Node does not load; this one it does.
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}
