// Where things lie in the memory behind the tables of one mount (shared-tables.ts), and what its words mean.
//
//   | header 4 KiB | handles | nodes | links | names |

export const MAGIC = 0x31504d48; // "HMP1"
export const VERSION = 4;

/** How many requests that killed a server twice are remembered. */
export const KILLERS = 16;
/** I/O lanes of a serving thread, and how many jobs each of them may have: all are remembered. */
export const LANES = 2;
export const LANE_JOBS = 160;

/** Header words. */
export const HEADER = {
  magic: 0,
  version: 1,
  /** What INIT settled; 0 while it has not happened. A successor gets no INIT. */
  minor: 2,
  flags: 3,
  flags2: 4,
  /** Of the five before. */
  check: 6,
  /** High-water marks: records beyond were never used. */
  nodes: 8,
  links: 9,
  handles: 10,
  names: 11,
  /** Records below, but for the root's, belong to tables that were lost: the kernel may go on naming them for ever. */
  firstNode: 12,
  firstHandle: 13,
  /** Device numbers, two words each; the count precedes. */
  devices: 15,
  device0: 16,
  /** Unique (two words) of the request that is being run. See journal.ts for this and all that follows. */
  current0: 258,
  /** The last change that was begun: its unique (without the redelivery bit), CHANGE, its result, and what it can be told by. */
  change0: 260,
  changeState: 262,
  changeResult: 263,
  place0: 264,
  /** A mode that was changed for a moment: the node, 0 for none, and the mode it must have again. */
  modeNode: 266,
  mode: 267,
  /** Unique of the last request that was run and has an answer. */
  last0: 268,
  /** Rings of uniques, one of jobs for each lane: which slot is written next, and the slots. */
  killersNext: 270,
  jobsNext0: 271,
  killers0: 271 + LANES,
  jobs0: 271 + LANES + 2 * KILLERS,
} as const;
export const DEVICES = 100;

export const HEADER_SIZE = 4096;
export const HANDLE_WORDS = 4;
export const MAX_HANDLES = 1 << 18;
export const NODE_WORDS = 12;
/** Word of a node record: nodeid ^ SEAL_KEY while in use, 0 when free. */
export const SEAL = 11;
export const SEAL_KEY = 0x5ea1ab1e;
export const MAX_NODES = 1 << 23;
export const LINK_WORDS = 4;
export const MAX_LINKS = MAX_NODES + (MAX_NODES >> 1);
export const NAMES_SIZE = MAX_LINKS * 24;

export const HANDLES_AT = HEADER_SIZE;
export const NODES_AT = HANDLES_AT + MAX_HANDLES * HANDLE_WORDS * 4;
export const LINKS_AT = NODES_AT + MAX_NODES * NODE_WORDS * 4;
export const NAMES_AT = LINKS_AT + MAX_LINKS * LINK_WORDS * 4;
export const TOTAL = NAMES_AT + NAMES_SIZE;
