// VMs of several hosts as orders reach them: each step once, verified by reading back, over hypervisors and switches that may
// refuse, hang or lie. Outlives the manager that orders, as hosts do.
import type { Enforcer } from '../connectors/enforcement/enforcer.ts';
import { isReadByItself, verifiedEnforcer, type VmControl } from '../connectors/enforcement/verified-action.ts';
import type { Clock } from '../kit/clock.ts';
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { Ability } from '../model/plan.ts';
import { plannedActions, type Remediation, type Step } from '../model/remediation.ts';
import type { Random } from './random.ts';

export interface EstateVm {
  readonly id: string;
  run: 'running' | 'paused' | 'gone';
  readonly snapshots: Set<string>;
  /** By the name it is kept under: what is in force on its port. */
  readonly measures: Map<string, string>;
  /** Everything that changed it, in order. */
  readonly effects: string[];
}

/** refuses = an error, nothing done; lies = accepted, nothing done; hangs = no answer, whether it was done or not. */
export type Fault = 'refuses' | 'lies' | 'hangs';

export class SimulatedEstate {
  readonly vms = new Map<string, EstateVm>();
  /** What became of each order, by its id, as a sentinel remembers it. */
  readonly answers = new Map<string, { readonly state: Remediation['state']; readonly evidence: string }>();
  /** Orders that were accepted and not done. */
  readonly lies = new Set<string>();
  /** How many hung orders were begun and not answered yet. */
  readonly #hanging = new Map<string, number>();
  readonly #clock: Clock & { advance(ms: number): void };
  readonly #faultOf: (step: Step) => Fault | null;
  readonly #random: Random;

  constructor(
    clock: Clock & { advance(ms: number): void },
    random: Random,
    faultOf: (step: Step) => Fault | null = () => null,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#faultOf = faultOf;
  }

  add(id: string): EstateVm {
    const vm: EstateVm = { id, run: 'running', snapshots: new Set(), measures: new Map(), effects: [] };
    this.vms.set(id, vm);
    return vm;
  }

  abilities(): readonly Ability[] {
    return plannedActions
      .filter((action) => action !== 'lift' && !isReadByItself(action))
      .map((action) => ({ action, available: true, why: null }));
  }

  /** Null = no answer comes. The same step again does nothing more. */
  async order(step: Step): Promise<{ readonly state: Remediation['state']; readonly evidence: string } | null> {
    const known = this.answers.get(step.id);
    const hanging = this.#hanging.get(step.id);
    if (hanging !== undefined && hanging > 0) {
      this.#hanging.set(step.id, hanging - 1);
      return null;
    }
    if (known !== undefined) return known;
    const vm = this.vms.get(step.vm);
    if (vm === undefined) return { state: 'failed', evidence: 'no such VM' };
    const fault = this.#faultOf(step);
    const acts = fault === null || (fault === 'hangs' && this.#random.chance(0.5));
    const answer = await this.#carryOut(vm, step, fault === 'refuses', acts, () => {
      if (fault === 'lies') this.lies.add(step.id);
    });
    this.answers.set(step.id, answer);
    if (fault !== 'hangs') return answer;
    // Some come to an end; some never do.
    this.#hanging.set(step.id, this.#random.chance(0.5) ? this.#random.integer(0, 2) : 1000);
    return null;
  }

  async #carryOut(vm: EstateVm, step: Step, refuses: boolean, acts: boolean, idle: () => void) {
    if (step.measure === undefined && step.action !== 'lift') {
      const { state, evidence } = await this.#enforcer(vm, refuses, acts, idle).act(step);
      return { state, evidence };
    }
    const key = step.lifts ?? step.key ?? step.id;
    const isTrue = () => vm.measures.has(key) === (step.action !== 'lift');
    if (isTrue()) return { state: 'done', evidence: 'already so' } as const;
    if (refuses) return { state: 'failed', evidence: 'the switch refused' } as const;
    if (acts) {
      if (step.measure === undefined) vm.measures.delete(key);
      else vm.measures.set(key, step.measure.kind);
      vm.effects.push(`${step.action} ${key}`);
    } else idle();
    return isTrue()
      ? ({ state: 'done', evidence: step.expect } as const)
      : ({ state: 'unconfirmed', evidence: `${step.expect} was not read back` } as const);
  }

  #enforcer(vm: EstateVm, refuses: boolean, acts: boolean, idle: () => void): Enforcer {
    const command = (name: string, effect: () => void): Promise<Result<void>> => {
      if (refuses) return Promise.resolve(fail(problem('failed', 'The hypervisor refused.')));
      if (acts) {
        effect();
        vm.effects.push(name);
      } else idle();
      return Promise.resolve(ok(undefined));
    };
    const control: VmControl = {
      suspend: () =>
        vm.run === 'paused' ? Promise.resolve(ok(undefined)) : command('suspend', () => (vm.run = 'paused')),
      resume: () => command('resume', () => (vm.run = 'running')),
      snapshot: (name) => command(`snapshot ${name}`, () => vm.snapshots.add(name)),
      powerOff: () => command('power-off', () => (vm.run = 'gone')),
      readState: () => Promise.resolve(ok({ run: vm.run, words: vm.run, snapshots: [...vm.snapshots] })),
      snapshotObstacle: () => Promise.resolve(null),
    };
    const sleep = (ms: number): Promise<void> => {
      this.#clock.advance(ms);
      return Promise.resolve();
    };
    return verifiedEnforcer(control, { clock: this.#clock, sleep });
  }
}
