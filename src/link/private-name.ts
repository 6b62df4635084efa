// Names that are ours beside the user's files. Deterministic, so that whoever comes after a SIGKILL finds what was left.
import { createHash } from "node:crypto";
import { cstr, type CName } from "../sys/name.ts";

/** Every name of ours starts with this. */
export const PRIVATE_PREFIX = ".hmpersist-";

const digest = (name: CName): string => createHash("sha256").update(name.subarray(0, -1)).digest("hex").slice(0, 16);

/** In the home, beside the link: what goes in or out by RENAME_EXCHANGE. */
export const swapName = (name: CName): CName => cstr(`${PRIVATE_PREFIX}swap-${digest(name)}`);

/** In storage, beside the file: a copy that is not complete yet. Never worth keeping. */
export const stageName = (name: CName): CName => cstr(`${PRIVATE_PREFIX}new-${digest(name)}`);

/** Beside what is adopted, in storage: a copy that is not complete yet, or what a merge replaced. */
export const adoptStageName = (name: CName): CName => cstr(`${PRIVATE_PREFIX}adopt-${digest(name)}`);

/** In storage: how far an adoption has come. */
export const adoptJournalName = (name: CName): CName => cstr(`${PRIVATE_PREFIX}adopt-${digest(name)}.json`);

/** In storage: held by whoever adopts. */
export const adoptLockName = (name: CName): CName => cstr(`${PRIVATE_PREFIX}adopt-${digest(name)}.lock`);

/** In the home: the original, taken out of its place, until it is removed. */
export const adoptAsideName = (name: CName): CName => cstr(`${PRIVATE_PREFIX}adopted-${digest(name)}`);
