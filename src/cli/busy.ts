import { type HostLoad, isBusy } from '../../bench/suites/record.ts';

/** What is to be said of the machine that times are measured on: nothing, where it has nothing else to do. */
export function busySentences(host: HostLoad): string[] {
  if (!isBusy(host)) return [];
  const { cpus, load } = host;
  return [
    `this machine is busy: a load of ${load.toFixed(1)} on ${cpus} processors; times will be too long, and scatter`,
  ];
}
