// What is known not to work where: a case, the target, the reason. Such a case must still fail there; one that passes is reported, so
// that this table never says less than the truth.
export type Target =
  | "plain"
  | "bindfs"
  | "fuse-native"
  | "kernel-shared"
  | "kernel-exclusive"
  | "kernel-root-shared"
  | "kernel-root-exclusive";

export interface KnownFailure {
  readonly target: Target;
  readonly title: string;
  readonly reason: string;
}

export const knownFailures: readonly KnownFailure[] = [];
