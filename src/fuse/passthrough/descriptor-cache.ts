// Descriptors kept for nodes: a bounded set, thrown out by second chance. What was used by the request in hand is never thrown out
// (`hold`), so a rename has both its directories however small the cache is.
import { hot } from "../../sys/hot.ts";

const PRECIOUS_CHANCES = 8;

export class DescriptorCache {
  readonly #capacity: number;
  readonly #node: Int32Array;
  readonly #fd: Int32Array;
  readonly #flags: Int32Array;
  /** How often the others go first: counted down by the hand. */
  readonly #chances: Uint8Array;
  readonly #precious: Uint8Array;
  #slotOf = new Int32Array(1024);
  readonly #free: number[] = [];
  /** Slots from here on were never used. */
  #fresh = 0;
  #hand = 0;
  readonly #held: number[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#node = new Int32Array(capacity);
    this.#fd = new Int32Array(capacity).fill(-1);
    this.#flags = new Int32Array(capacity);
    this.#chances = new Uint8Array(capacity);
    this.#precious = new Uint8Array(capacity);
  }

  #slot(nodeid: number): number {
    return (this.#slotOf[nodeid] ?? 0) - 1;
  }

  /** The descriptor kept for `nodeid`, or -1. */
  get(nodeid: number): number {
    const slot = this.#slot(nodeid);
    if (slot < 0) return -1;
    if (this.#chances[slot] === 0) this.#chances[slot] = 1;
    return this.#fd[slot] as number;
  }

  /** The open(2) flags it was put with. */
  flags(nodeid: number): number {
    return this.#flags[this.#slot(nodeid)] ?? 0;
  }

  /** Keeps `fd` (owned from here on) for `nodeid`, in place of another. A precious one is among the last to go. */
  put(nodeid: number, fd: number, flags = 0, precious = false): void {
    this.remove(nodeid);
    if (nodeid >= this.#slotOf.length) {
      const larger = new Int32Array(Math.max(nodeid + 1, this.#slotOf.length * 2));
      larger.set(this.#slotOf);
      this.#slotOf = larger;
    }
    const slot = this.#free.pop() ?? (this.#fresh < this.#capacity ? this.#fresh++ : this.#evict());
    this.#node[slot] = nodeid;
    this.#fd[slot] = fd;
    this.#flags[slot] = flags;
    this.#chances[slot] = precious ? PRECIOUS_CHANCES : 1;
    this.#precious[slot] = precious ? 1 : 0;
    this.#slotOf[nodeid] = slot + 1;
  }

  #evict(): number {
    for (;;) {
      this.#hand = (this.#hand + 1) % this.#capacity;
      const nodeid = this.#node[this.#hand] as number;
      if (this.#held.includes(nodeid)) continue;
      const chances = this.#chances[this.#hand] as number;
      if (chances === 0) {
        this.remove(nodeid);
        return this.#free.pop() as number;
      }
      this.#chances[this.#hand] = chances - 1;
    }
  }

  /** Keeps the descriptors of these nodes until `release`: those a request works on. */
  hold(nodeid: number): void {
    this.#held.push(nodeid);
  }

  release(): void {
    if (this.#held.length > 0) this.#held.length = 0;
  }

  /** Gives the descriptor of `nodeid` to the caller, who closes it; -1 when there is none. */
  take(nodeid: number): number {
    const slot = this.#slot(nodeid);
    if (slot < 0) return -1;
    const fd = this.#fd[slot] as number;
    this.#fd[slot] = -1;
    this.#slotOf[nodeid] = 0;
    this.#free.push(slot);
    return fd;
  }

  remove(nodeid: number): void {
    const fd = this.take(nodeid);
    if (fd >= 0) hot.close(fd);
  }

  /** Closes those that `matches` accepts, but none that is held; false: there were none. */
  removeIf(matches: (flags: number, precious: boolean) => boolean): boolean {
    const before = this.#free.length;
    for (let slot = 0; slot < this.#fresh; slot += 1) {
      const nodeid = this.#node[slot] as number;
      if ((this.#fd[slot] as number) < 0 || this.#held.includes(nodeid)) continue;
      if (matches(this.#flags[slot] as number, this.#precious[slot] === 1)) this.remove(nodeid);
    }
    return this.#free.length > before;
  }

  /** Closes all that no request works on, for others that need a descriptor more; false: there were none. */
  makeRoom(): boolean {
    return this.removeIf(() => true);
  }

  close(): void {
    this.release();
    this.makeRoom();
  }
}
