// What the user may say: each option is defined, described and given its default here, once. The JSON Schema for editors and the
// README's table come from this file; what options mean together (targets, duplicates) is decided in resolve.ts.
// The words are those of `home.persistence`, so that a Nix attribute set becomes a configuration by builtins.toJSON.
import { z } from "zod";

const METHODS = ["fuse", "bindfs", "symlink", "bind"] as const;

const method = z.enum(METHODS);
const cache = z.enum(["shared", "exclusive"]);
const octal = z.string().regex(/^[0-7]{3,4}$/, 'permissions are octal digits in a string, e.g. "0700"');
const owner = z.string().or(z.null());

const OWNER_NOTE = "Accepted for configurations shared with NixOS; must name the user hmpersist runs as, or be null.";

const user = owner.optional().describe(OWNER_NOTE);
const group = owner.optional().describe("Accepted for configurations shared with NixOS; must name a group of that user, or be null.");

export const directoryObject = z.strictObject({
  directory: z.string().describe("The directory, relative to the storage and, less a removed prefix, to the home."),
  method: method
    .optional()
    .describe('How it gets into the home; see `defaultDirectoryMethod`, which is the default. "bindfs" is another word for "fuse".'),
  mode: octal.optional().describe("Permissions of the storage directory if it has to be created; default: the storage's `mode`."),
  cache: cache.optional().describe("See the storage's `cache`, which is the default."),
  onNonEmpty: z
    .enum(["refuse", "adopt", "shadow"])
    .default("refuse")
    .describe(
      'When data stand where it is to be mounted: "refuse" leaves both alone, "adopt" moves the data into storage first, "shadow" mounts over them.',
    ),
  hideMount: z.boolean().optional().describe("Keep this mount out of file managers; default: the storage's `hideMounts`."),
  allowTrash: z.boolean().optional().describe("Let file managers keep a trash on this mount; default: the storage's `allowTrash`."),
  user,
  group,
});

const parentDirectory = z.strictObject({
  mode: octal.optional().describe("Permissions of parent directories that have to be created; default: the storage's `mode`."),
  user,
  group,
});

export const fileObject = z.strictObject({
  file: z.string().describe("The file, relative to the storage and, less a removed prefix, to the home, where a link to it is made."),
  onConflict: z
    .enum(["refuse", "adopt", "backup"])
    .default("refuse")
    .describe(
      'When another file stands where the link belongs: "refuse" leaves it, "adopt" moves it into storage, "backup" sets it aside. An empty file, or one with the same content, is replaced in any case.',
    ),
  parentDirectory: parentDirectory.optional().describe("The directories above the file."),
  method: z.enum(["auto", "symlink"]).optional().describe("Accepted for configurations shared with NixOS: a file is always a link."),
});

export const storageObject = z.strictObject({
  persistentStoragePath: z.string().optional().describe("The storage, an absolute path that must exist; default: the key."),
  enable: z.boolean().default(true).describe("Whether anything of this storage is mounted and linked."),
  directories: z.array(z.string().or(directoryObject)).default([]).describe("Directories to bring back: paths, or objects as below."),
  files: z.array(z.string().or(fileObject)).default([]).describe("Files to bring back: paths, or objects as below."),
  removePrefixDirectory: z
    .boolean()
    .default(false)
    .describe("Drop the first component of each path in the home, as GNU Stow does: `Firefox/.mozilla` in storage is `.mozilla` at home."),
  allowOther: z
    .boolean()
    .or(z.null())
    .default(false)
    .describe("Let other users, root included, through the mounts. Needs `user_allow_other` in /etc/fuse.conf; null means false."),
  defaultDirectoryMethod: method
    .default("fuse")
    .describe(
      '"fuse" mounts, "symlink" makes a link to the directory, "bind" is a bind mount (root only). "bindfs" is another word for "fuse".',
    ),
  cache: cache
    .default("shared")
    .describe(
      'What the kernel may keep. "shared": changes made in the storage from outside are seen within about a second. "exclusive": faster, but nothing else may write there while it is mounted: the kernel then ignores sizes and times that change outside, and what goes wrong with writing is reported by fsync and close.',
    ),
  mode: octal.default("0700").describe("Permissions of directories that have to be created."),
  hideMounts: z.boolean().default(false).describe("Keep the mounts out of file managers (fusermount3 3.17 or later)."),
  allowTrash: z.boolean().default(false).describe("Let file managers keep a trash on the mounts (fusermount3 3.17 or later)."),
  enableWarnings: z.boolean().optional().describe("Accepted for configurations shared with NixOS; without effect."),
});

export const configObject = z
  .strictObject({
    $schema: z.string().optional().describe("Where editors find the JSON Schema of this file; without effect here."),
    home: z.string().optional().describe("The home directory, an absolute path; default: `$HOME`."),
    engine: z
      .enum(["auto", "kernel", "fuse-native"])
      .default("auto")
      .describe(
        'Who answers the kernel: "kernel" is built in, "fuse-native" the optional package of that name, "auto" the best that runs here.',
      ),
    persistence: z.record(z.string(), storageObject).default({}).describe("The storages, by path: what to bring back from where."),
    ephemeral: z
      .strictObject({
        ignore: z.array(z.string()).default([]).describe("Patterns, as in .gitignore, that `hmpersist ephemeral` passes over."),
      })
      .prefault({})
      .describe("What `hmpersist ephemeral` reports."),
  })
  .describe("The configuration of hmpersist.");

export type StorageOptions = z.output<typeof storageObject>;
