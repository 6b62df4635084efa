// Every case by its title. A title is a fact; it names the case in known-failures.ts and on the command line.
import type { Cases } from "../calls.ts";
import { content } from "./content.ts";
import { descriptors } from "./descriptors.ts";
import { directories } from "./directories.ts";
import { extents } from "./extents.ts";
import { links } from "./links.ts";
import { locks } from "./locks.ts";
import { many } from "./many.ts";
import { mapping } from "./mapping.ts";
import { modes } from "./modes.ts";
import { names } from "./names.ts";
import { ordinary } from "./ordinary.ts";
import { removed } from "./removed.ts";
import { renames } from "./renames.ts";
import { special } from "./special.ts";
import { sqlite } from "./sqlite.ts";
import { times } from "./times.ts";
import { xattrs } from "./xattrs.ts";

export const cases: Cases = {
  ...names,
  ...directories,
  ...times,
  ...content,
  ...extents,
  ...removed,
  ...renames,
  ...links,
  ...mapping,
  ...sqlite,
  ...many,
  ...modes,
  ...ordinary,
  ...xattrs,
  ...locks,
  ...descriptors,
  ...special,
};
