// What a review passes over: gitignore patterns, relative to the home, the built-in ones first so that the user's may take them back
// ("!/.cache/"). The library remembers every path it was asked about; a fresh one now and then keeps that bounded.
import ignore, { type Ignore } from "ignore";

/** Made again by whoever made it, or not worth keeping. All name directories, so that no file needs to be matched. */
export const DEFAULT_IGNORE: readonly string[] = [
  "/.cache/",
  "/.thumbnails/",
  "/.local/share/Trash/",
  "/.Trash-*/",
  "lost+found/",
  "__pycache__/",
  ".hmpersist-*/",
  // Made by nix and Home Manager at every activation, and by hmpersist.
  "/.nix-defexpr/",
  "/.local/state/nix/",
  "/.local/state/home-manager/",
  "/.local/state/hmpersist/",
  // Caches that programs keep beside their data.
  "/.config/**/Cache/",
  "/.config/**/Code Cache/",
  "/.config/**/GPUCache/",
  "/.config/**/DawnCache/",
  "/.config/**/CachedData/",
  "/.config/**/CacheStorage/",
  "/.config/**/ShaderCache/",
  "/.mozilla/**/cache2/",
  "/.mozilla/**/startupCache/",
  "/.thunderbird/**/cache2/",
  "/.var/app/*/cache/",
  "/.npm/_cacache/",
  "/.cargo/registry/",
  "/.gradle/caches/",
  "/.local/share/gvfs-metadata/",
  "/.dbus/",
];

const FORGET_AFTER = 20_000;

export interface Matcher {
  /** Must files be asked about at all? */
  readonly files: boolean;
  /** `path`: relative, UTF-8. */
  ignores(path: string, directory: boolean): boolean;
}

export function makeMatcher(patterns: readonly string[]): Matcher {
  if (patterns.length === 0) return { files: false, ignores: () => false };
  const fresh = (): Ignore => ignore({ allowRelativePaths: true, ignorecase: false }).add([...patterns]);
  let matcher = fresh();
  let asked = 0;
  return {
    files: patterns.some((pattern) => !/^\s*(#|$)|\/\s*$/.test(pattern)),
    ignores: (path, directory) => {
      asked += 1;
      if (asked % FORGET_AFTER === 0) matcher = fresh();
      return matcher.ignores(directory ? `${path}/` : path);
    },
  };
}
