// Directories that hold many programs' things: one persists what is in them, never they themselves.
export const CONTAINERS: readonly string[] = [
  "",
  ".config",
  ".local",
  ".local/share",
  ".local/state",
  ".local/lib",
  ".cache",
  ".var",
  ".var/app",
];

/** Every directory above `path` (relative), the root ("") first. */
export function parentsOf(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return names.map((_, index) => names.slice(0, index).join("/"));
}
