// O_PATH descriptors of known directories, and of files that a rename replaced while somebody may still open them: a bounded set, thrown out by second chance. What was used by the request in hand is never
// thrown out (`hold`), so a rename has both its directories however small the cache is.
import { hot } from "../../sys/hot.ts";

export class DirectoryCache {
  readonly #capacity: number;
  readonly #node: Int32Array;
  readonly #fd: Int32Array;
  readonly #used: Uint8Array;
  #slotOf = new Int32Array(1024);
  #hand = 0;
  #size = 0;
  readonly #held: number[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#node = new Int32Array(capacity);
    this.#fd = new Int32Array(capacity).fill(-1);
    this.#used = new Uint8Array(capacity);
  }

  /** The descriptor kept for `nodeid`, or -1. */
  get(nodeid: number): number {
    const slot = (this.#slotOf[nodeid] ?? 0) - 1;
    if (slot < 0) return -1;
    this.#used[slot] = 1;
    return this.#fd[slot] as number;
  }

  /** Keeps `fd` (owned from here on) for `nodeid`. */
  put(nodeid: number, fd: number): void {
    this.remove(nodeid);
    if (nodeid >= this.#slotOf.length) {
      const larger = new Int32Array(Math.max(nodeid + 1, this.#slotOf.length * 2));
      larger.set(this.#slotOf);
      this.#slotOf = larger;
    }
    const slot = this.#size < this.#capacity ? this.#freeSlot() : this.#evict();
    this.#node[slot] = nodeid;
    this.#fd[slot] = fd;
    this.#used[slot] = 1;
    this.#slotOf[nodeid] = slot + 1;
    this.#size += 1;
  }

  #freeSlot(): number {
    while ((this.#fd[this.#hand] as number) >= 0) this.#hand = (this.#hand + 1) % this.#capacity;
    return this.#hand;
  }

  #evict(): number {
    for (;;) {
      this.#hand = (this.#hand + 1) % this.#capacity;
      const nodeid = this.#node[this.#hand] as number;
      if (this.#held.includes(nodeid)) continue;
      if (this.#used[this.#hand] === 0) {
        this.remove(nodeid);
        return this.#hand;
      }
      this.#used[this.#hand] = 0;
    }
  }

  /** Keeps the descriptors of these nodes until `release`: those a request works on. */
  hold(nodeid: number): void {
    this.#held.push(nodeid);
  }

  release(): void {
    if (this.#held.length > 0) this.#held.length = 0;
  }

  remove(nodeid: number): void {
    const slot = (this.#slotOf[nodeid] ?? 0) - 1;
    if (slot < 0) return;
    hot.close(this.#fd[slot] as number);
    this.#fd[slot] = -1;
    this.#slotOf[nodeid] = 0;
    this.#size -= 1;
  }

  /** Closes all that no request works on, for others that need a descriptor more; false: there were none. */
  makeRoom(): boolean {
    const before = this.#size;
    for (let slot = 0; slot < this.#capacity; slot += 1) {
      const nodeid = this.#node[slot] as number;
      if ((this.#fd[slot] as number) >= 0 && !this.#held.includes(nodeid)) this.remove(nodeid);
    }
    return this.#size < before;
  }

  close(): void {
    for (let slot = 0; slot < this.#capacity; slot += 1) if ((this.#fd[slot] as number) >= 0) this.remove(this.#node[slot] as number);
  }
}
