import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { useCli, useFolder } from '../support/cli.ts';

const cli = useCli();
const temp = useFolder();

describe('bench overhead', () => {
  it('prints device and versions, then the table, and writes the record of the device', async () => {
    const { code, stdout, stderr } = await cli.run(['bench', 'overhead', '--quick', '--adapter', 'carried'], {
      cwd: temp.path,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^SwiftShader .*a CPU driver, whose times say nothing about GPUs/);
    expect(lines[1]).toMatch(/^commit \S+, Dawn \(webgpu [\d.]+\), Node v[\d.]+$/);
    // Where the machine has other things to do, a line before it says so.
    expect(stdout).toMatch(/^checked: [\d,]+ dispatches were submitted to be counted, and as many ran$/m);
    expect(stdout).toMatch(/│ tick, one buffer, one pipeline +│/);
    expect(stdout).toContain('--quick: to see that it works, not to be quoted');
    expect(lines.at(-1)).toMatch(/^written: runs.suites-swiftshader\.json \(overhead\)$/);
    const record = JSON.parse(await readFile(temp.join('runs', 'suites-swiftshader.json'), 'utf8'));
    expect(record.suites.overhead).toMatchObject({
      quick: true,
      repeats: 5,
      device: { origin: 'carried' },
      host: {},
    });
  });

  it('with --json prints the part alone, and merges it into --out', async () => {
    const out = temp.join('one.json');
    const args = ['bench', 'overhead', '--quick', '--json', '--repeats', '6', '--out', out];
    const { code, stdout } = await cli.run(args, { cwd: temp.path });
    expect(code).toBe(0);
    const part = JSON.parse(stdout);
    expect(part.result.dispatches).toHaveLength(8);
    expect(part.result.dispatches[0].total.repeats).toBe(6);
    expect(JSON.parse(await readFile(out, 'utf8')).suites).toEqual({ overhead: part });
  });
});

describe('bad input is refused in one line, and nothing is measured', () => {
  it.concurrent.each([
    [
      ['bench', 'overhead', '--repeats', '4'],
      /^--repeats: expected a whole number from 5 to 1000, found '4'$/,
    ],
    [['bench', 'overhead', '--steps', '3'], /^unknown option '--steps'/],
    [['bench', 'overhead', '--out', ''], /^--out: expected some text, found none$/],
    [['bench', 'overhead', '--adapter', 'no such'], /^no WebGPU adapter matches 'no such'/],
    [
      ['bench', 'overhead', '--out', '.'],
      /^--out \.: expected a record of suites of SwiftShader .*, found a folder$/,
    ],
    [['bench', 'overhead', 'surplus'], /^bench overhead: expected options alone, found 'surplus'$/],
    [['bench', 'overhaed'], /^unknown suite 'overhaed': expected overhead, kernels, step or peers$/],
  ] as const)('%j', async (args, message) => {
    const { code, stdout, stderr } = await cli.run(args, { cwd: temp.path });
    expect(stderr).toMatch(/^syngrad: [^\n]+\n$/);
    expect(stderr.slice('syngrad: '.length, -1)).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });
});
