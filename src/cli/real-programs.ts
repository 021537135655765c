// The programs as they are.
import { join } from 'node:path';
import type { Programs } from './programs.ts';
import { sentinelDirectoryOf } from './state-directory.ts';
import { systemClock } from './system-clock.ts';

export const realPrograms: Programs = {
  async listVms(stateDir) {
    const { listVms } = await import('../sentinel/local/local-views.ts');
    return await listVms(local(stateDir));
  },
  async vmNames(stateDir) {
    const { vmNames } = await import('../sentinel/local/local-views.ts');
    return vmNames(local(stateDir));
  },
  async ps(stateDir, vm, { threads }) {
    const { ps } = await import('../sentinel/local/local-views.ts');
    return await ps(vm, { ...local(stateDir), threads });
  },
  async sockets(stateDir, vm) {
    const { sockets } = await import('../sentinel/local/local-views.ts');
    return await sockets(vm, local(stateDir));
  },
  async trace(stateDir, vm, options) {
    const { traceVm } = await import('../sentinel/local/local-trace.ts');
    return await traceVm(vm, { ...local(stateDir), ...options });
  },
  async integrity(stateDir, vm, vmlinuz) {
    const { integrity } = await import('../sentinel/local/local-integrity.ts');
    return await integrity(vm, vmlinuz, local(stateDir));
  },
  async hash(stateDir, vm, pid) {
    const { hash } = await import('../sentinel/local/local-integrity.ts');
    return await hash(vm, pid, local(stateDir));
  },
  async selftest(stateDir, question) {
    const { selftest } = await import('../sentinel/selftest/selftest.ts');
    return await selftest({ ...local(stateDir), ...question });
  },
  async verifyManifest(stateDir, envelope, trustFile = join(stateDir, 'trust.json')) {
    const { readTrustFile, verifyManifest } = await import('../sentinel/vault/trust.ts');
    const trusted = await readTrustFile(trustFile);
    return trusted.ok ? verifyManifest(envelope, trusted.value) : trusted;
  },
  async verifyBundle(stateDir, file, trustFile = join(stateDir, 'trust.json')) {
    const { readTrustFile } = await import('../sentinel/vault/trust.ts');
    const { verifyBundle } = await import('../manager/evidence/verify-bundle.ts');
    const trusted = await readTrustFile(trustFile);
    return trusted.ok ? await verifyBundle(file, trusted.value) : trusted;
  },
  async replay(files, manifest) {
    const { replay } = await import('../evaluate/replay.ts');
    return await replay({ files, manifest });
  },
  async evaluate(input) {
    const { evaluate } = await import('../evaluate/evaluate.ts');
    return await evaluate(input);
  },
  async serve(options) {
    const { serve } = await import('./up/serve.ts');
    return await serve(options);
  },
};

function local(stateDir: string) {
  return { stateDir: sentinelDirectoryOf(stateDir), clock: systemClock };
}
