import Table from 'cli-table3';
import { describe } from '../gpu/adapters.ts';
import { chooseAdapter, listAdapters } from '../gpu/instance.node.ts';
import { count } from '../report/numbers.ts';

/** The limits that decide what fits and how kernels are cut. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** `syngrad devices`: every adapter with its driver, limits and features, the one taken by default first. */
export async function devices({ json = false }: { json?: boolean }): Promise<number> {
  // With nothing there, this says what to install.
  await chooseAdapter({});
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
  for (const [i, { limits, features, ...info }] of found.entries()) {
    const table = new Table({ style: { head: [], border: [] }, wordWrap: true, colWidths: [34, 74] });
    table.push(
      ['kind', info.kind],
      ['driver', info.driver],
      ['vendor, architecture', `${info.vendor}, ${info.architecture}`],
    );
    table.push(
      ['backend', info.backend],
      ['comes with', info.origin === 'carried' ? 'the npm packages' : 'this system'],
    );
    for (const name of LIMITS) table.push([name, count(Number(limits[name]))]);
    table.push(['features', features.join(', ')]);
    console.log(`${info.name}${i === 0 ? ' (taken by default)' : ''}`);
    console.log(table.toString());
  }
  console.log(describe(found[0]!));
  return 0;
}
