import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { prepareFolder, writeRecord } from '../../src/report/folder.ts';
import { type BenchRecord, curvesCsv, diagnosticsCsv, type RunRecord } from '../../src/report/record.ts';
import { useFolder } from '../support/cli.ts';

const temp = useFolder();

const point = (step: number, loss: number) => ({
  step,
  seconds: step / 8,
  train: { loss, accuracy: 0.5 },
  validation: { loss: loss / 3, accuracy: 0.25, samples: 26 },
});

const runs = [
  { method: 'bp', seed: 4, curve: [point(2, 2.5), point(4, 0.1)] },
  { method: 'cdni', seed: 4, curve: [] },
  // A point for which no step has measured a loss, and whose validation loss is not finite.
  {
    method: 'cdni',
    seed: 5,
    curve: [{ ...point(2, Number.NaN), train: { loss: Number.NaN, accuracy: Number.NaN } }],
  },
] as unknown as RunRecord[];

const record = { schemaVersion: 1, config: {}, runs } as unknown as BenchRecord;

const CSV =
  'method,seed,step,seconds,train_loss,train_accuracy,validation_loss,validation_accuracy\n' +
  `bp,4,2,0.25,2.5,0.5,${2.5 / 3},0.25\n` +
  `bp,4,4,0.5,0.1,0.5,${0.1 / 3},0.25\n` +
  'cdni,5,2,0.25,,,NaN,0.25\n';

it('curves.csv has a header and a row for each point, to the last bit', () => {
  expect(curvesCsv(runs)).toBe(CSV);
  expect(curvesCsv([])).toBe(`${CSV.split('\n')[0]}\n`);
});

it('writes both files, whole, and nothing else', async () => {
  const folder = temp.join('a/b');
  const undo = await prepareFolder(folder);
  expect(await readdir(folder)).toEqual([]);
  expect(await writeRecord(folder, record)).toEqual([`${folder}/record.json`, `${folder}/curves.csv`]);
  expect(await readdir(folder)).toEqual(['curves.csv', 'record.json']);
  expect(await readFile(`${folder}/record.json`, 'utf8')).toBe(`${JSON.stringify(record, null, 2)}\n`);
  expect(await readFile(`${folder}/curves.csv`, 'utf8')).toBe(CSV);
  undo();
  expect(await readdir(folder)).toHaveLength(2);
});

it('writes what was found out about the synthetic gradients, when it was asked for', async () => {
  const layer = {
    layer: 1,
    cosine: 0.1,
    signAgreement: 0.5,
    relativeError: 1.25,
    sgNorm: 2,
    trueNorm: 3,
    deadUnits: 0,
  };
  const blind = { ...layer, layer: 2, cosine: null, signAgreement: null, relativeError: null, sgNorm: 0 };
  const looked = [
    runs[0],
    { ...runs[1], diagnostics: [{ step: 20, layers: [layer, blind] }] },
  ] as RunRecord[];
  const csv =
    'method,seed,step,layer,cosine,sign_agreement,relative_error,sg_norm,true_norm,dead_units\n' +
    'cdni,4,20,1,0.1,0.5,1.25,2,3,0\n' +
    'cdni,4,20,2,,,,0,3,0\n';
  expect(diagnosticsCsv(looked)).toBe(csv);
  const folder = temp.join('looked');
  await prepareFolder(folder);
  const config = { diagnose: 20 } as BenchRecord['config'];
  const paths = await writeRecord(folder, { ...record, config, runs: looked });
  expect(paths.at(-1)).toBe(`${folder}/diagnostics.csv`);
  expect(await readdir(folder)).toEqual(['curves.csv', 'diagnostics.csv', 'record.json']);
  expect(await readFile(paths.at(-1)!, 'utf8')).toBe(csv);
  await rm(`${folder}/record.json`);
  await rm(`${folder}/curves.csv`);
  await expect(prepareFolder(folder)).rejects.toThrow(
    /without results, but it holds diagnostics\.csv already$/,
  );
});

it('takes back the folders that it made, as far as they are empty, and no others', async () => {
  await mkdir(temp.join('mine'));
  (await prepareFolder(temp.join('mine')))();
  expect(await readdir(temp.join('mine'))).toEqual([]);
  (await prepareFolder(temp.join('mine/x/y')))();
  expect(await readdir(temp.join('mine'))).toEqual([]);
  const undo = await prepareFolder(temp.join('mine/x/y'));
  await writeFile(temp.join('mine/x/other'), '');
  undo();
  expect(await readdir(temp.join('mine/x'))).toEqual(['other']);
});

it('leaves no half of a file where it cannot be written', async () => {
  const folder = temp.join('blocked');
  await mkdir(`${folder}/curves.csv/in-the-way`, { recursive: true });
  const written = writeRecord(folder, record);
  await expect(written).rejects.toThrow(InputError);
  await expect(written).rejects.toThrow(/^--out .*blocked: the results could not be written to .* \(\w+\)$/);
  expect(await readdir(folder)).toEqual(['curves.csv', 'record.json']);
});
