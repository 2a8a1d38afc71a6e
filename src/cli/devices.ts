import Table from 'cli-table3';
import { describe } from '../gpu/adapters.ts';
import { chooseAdapter, listAdapters } from '../gpu/instance.node.ts';
import { count } from '../report/numbers.ts';
import { TABLE_STYLE } from '../report/table.ts';

/** The limits that decide what fits and how kernels are cut. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** `syngrad devices`: every adapter with its driver, limits and features, and which is taken by default. */
export async function devices({ json = false }: { json?: boolean }): Promise<number> {
  // With nothing there, this says what to install.
  const taken = await chooseAdapter({});
  const found = await Promise.all(
    (await listAdapters()).map(async ({ info, request }) => {
      const { adapter } = await request();
      const limits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
      return { ...info, limits, features: [...adapter.features].sort() };
    }),
  );
  if (json) {
    process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
    return 0;
  }
  for (const { limits, features, ...info } of found) {
    const table = new Table({ ...TABLE_STYLE, wordWrap: true, colWidths: [34, 74] });
    table.push(
      ['kind', info.kind],
      ['driver', info.driver],
      ['vendor, architecture', `${info.vendor}, ${info.architecture}`],
      ['backend', info.backend],
      ['comes with', info.origin === 'carried' ? 'the npm packages' : 'this system'],
      ...LIMITS.map((name) => [name, count(Number(limits[name]))]),
      ['features', features.join(', ')],
    );
    const { name, backend, origin } = taken.info;
    const isTaken = info.name === name && info.backend === backend && info.origin === origin;
    console.log(`${info.name}${isTaken ? ' (taken by default)' : ''}`);
    console.log(table.toString());
  }
  console.log(describe(taken.info));
  return 0;
}
