// Who is compared. Unprivileged ones serve and are used as an ordinary user (nobody), as in the home of one; privileged ones as root,
// with allow_other, where the kernel engine may use FUSE_PASSTHROUGH.
import type { MountOptions } from "../helpers/mounted.ts";

export interface Candidate {
  readonly name: string;
  /** Undefined: the storage itself. */
  readonly mount: Omit<MountOptions, "source"> | undefined;
  readonly uid: number;
}

const NOBODY = 65_534;

export const CANDIDATES: readonly Candidate[] = [
  { name: "native", mount: undefined, uid: NOBODY },
  { name: "bindfs", mount: { engine: "bindfs", uid: NOBODY }, uid: NOBODY },
  { name: "fuse-native", mount: { engine: "fuse-native", uid: NOBODY }, uid: NOBODY },
  { name: "shared", mount: { engine: "kernel", cache: "shared", uid: NOBODY }, uid: NOBODY },
  { name: "exclusive", mount: { engine: "kernel", cache: "exclusive", uid: NOBODY }, uid: NOBODY },
  { name: "privileged-shared", mount: { engine: "kernel", cache: "shared", allowOther: true }, uid: 0 },
  { name: "privileged", mount: { engine: "kernel", cache: "exclusive", allowOther: true }, uid: 0 },
];
