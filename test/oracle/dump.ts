// Writes what PyTorch is to begin with, as JSON, into the file that is named: MNIST's rows and, for each run and for so many
// seeds, its options, the weights that the project begins with, and the rows of its batches. make.py calls it.
import { writeFileSync } from 'node:fs';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { openDevice } from '../../src/gpu/open.ts';
import { rules } from '../../src/train/rules.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { heldTensors } from '../support/held.ts';
import { batchRows, NETWORK, oracleData, RUNS, trainOptions } from './runs.ts';

const base64 = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');

const data = await oracleData();
const gpu = await openDevice();
const resident = new ResidentDataset(gpu, data);
const part = ({ count, features, values, labels }: typeof data.train) => ({
  shape: [count, features],
  values: base64(values),
  labels: base64(labels),
});
const runs: Record<string, unknown[]> = {};
for (const [name, run] of RUNS) {
  runs[name] = [];
  for (let seed = 1; seed <= Number(process.argv[3]); seed++) {
    const trainer = new Trainer(gpu, resident, trainOptions(run, rules.get(run.rule)!, seed));
    const tensors: Record<string, unknown> = {};
    for (const { label, shape, buffer } of heldTensors(trainer))
      tensors[label] = { shape, values: base64(new Float32Array(await gpu.read(buffer))) };
    const rows = base64(batchRows(data, run.steps, seed));
    runs[name].push({ options: { ...NETWORK, seed, ...run }, tensors, rows });
    trainer.destroy();
  }
}
resident.destroy();
gpu.destroy();
writeFileSync(process.argv[2]!, JSON.stringify({ train: part(data.train), test: part(data.test), runs }));
