// The demonstration behind bin/demo. This process only looks and writes; the built program does the work in processes of its own.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PROGRAM = join(ROOT, "bin/hmpersist.js");
const TMPFS_MAGIC = 0x01021994;
const root = process.getuid() === 0;

const base = mkdtempSync("/tmp/hmpersist-demo-");
// Only root can mount a tmpfs; anybody else finds one in the runtime directory or /dev/shm.
const home = root ? join(base, "home") : mkdtempSync(join(tmpfsForUsers(), "hmpersist-demo-home-"));
const storage = join(base, "storage");
const config = join(base, "config.json");
const env = {
  ...process.env,
  HOME: home,
  XDG_RUNTIME_DIR: join(base, "run"),
  XDG_STATE_HOME: join(base, "state"),
  XDG_CONFIG_HOME: join(base, "etc"),
};

function tmpfsForUsers() {
  const found = [process.env.XDG_RUNTIME_DIR, "/dev/shm"].find((dir) => dir && existsSync(dir) && statfsSync(dir).type === TMPFS_MAGIC);
  if (found === undefined) throw new Error("no tmpfs found in XDG_RUNTIME_DIR or /dev/shm; run bin/demo as root");
  return found;
}

const say = (text) => console.log(`\n\x1b[1m== ${text}\x1b[0m`);

function hmpersist(...args) {
  console.log(`$ hmpersist ${args.join(" ")}`);
  const { status } = spawnSync(PROGRAM, args, { env, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error(`hmpersist ${args[0]} ended with exit code ${status}`);
}

function newHome() {
  if (root) {
    mkdirSync(home, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0700,nosuid,nodev", "tmpfs", home]);
  } else {
    mkdirSync(home, { recursive: true, mode: 0o700 });
  }
}

function throwHomeAway() {
  if (root) execFileSync("umount", [home]);
  else rmSync(home, { recursive: true });
}

/** The wiki's configuration, with its home and storages moved below `base`. */
function writeConfig() {
  const wiki = JSON.parse(readFileSync(join(ROOT, "test/fixtures/wiki.json"), "utf8"));
  const moved = Object.entries(wiki.persistence).map(([path, options]) => [join(storage, path), options]);
  for (const [path] of moved) mkdirSync(path, { recursive: true, mode: 0o700 });
  writeFileSync(config, JSON.stringify({ home, persistence: Object.fromEntries(moved) }, null, 2));
  const inHome = (path, options) => (options.removePrefixDirectory ? path.split("/").slice(1).join("/") : path);
  const all = (kind) => moved.flatMap(([, options]) => options[kind].map((path) => inHome(path, options)));
  return { directories: all("directories"), files: all("files") };
}

function writeEverything({ directories, files }) {
  for (const path of directories) {
    mkdirSync(join(home, path, "sub"), { recursive: true });
    writeFileSync(join(home, path, "sub/data"), `kept in ${path}`);
  }
  for (const path of files) writeFileSync(join(home, path), `kept in ${path}`);
  writeFileSync(join(home, "not-listed"), "gone at reboot");
}

function checkEverything({ directories, files }) {
  const wrong = [];
  for (const [path, file] of [...directories.map((dir) => [dir, `${dir}/sub/data`]), ...files.map((file) => [file, file])]) {
    const found = existsSync(join(home, file)) ? readFileSync(join(home, file), "utf8") : "nothing";
    if (found !== `kept in ${path}`) wrong.push(`${file}: ${found}`);
  }
  for (const path of files) if (!lstatSync(join(home, path)).isSymbolicLink()) wrong.push(`${path} is not a link`);
  if (existsSync(join(home, "not-listed"))) wrong.push("not-listed survived: this was no new home");
  return wrong;
}

const mountsHere = () =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(" fuse.hmpersist ") && line.includes(home));

function main() {
  say("A throw-away home on tmpfs and a throw-away storage");
  const entries = writeConfig();
  newHome();
  console.log(
    `home ${home}\nstorage ${storage}\n${entries.directories.length} directories and ${entries.files.length} files are to be kept`,
  );

  say("Mount and link them");
  hmpersist("mount", "--config", config);
  console.log(`${mountsHere().length} FUSE mounts in /proc/self/mountinfo, for example:\n  ${mountsHere()[0]}`);

  say("Write through every mount and every link, and one file that nobody listed");
  writeEverything(entries);
  hmpersist("status");

  say("Reboot: unmount, throw the tmpfs away, a new one, mount again");
  hmpersist("unmount");
  throwHomeAway();
  newHome();
  console.log(`the new home holds ${readdirSync(home).length} entries`);
  hmpersist("mount", "--config", config);

  say("Is everything there?");
  const wrong = checkEverything(entries);
  for (const line of wrong) console.log(`MISSING ${line}`);
  if (wrong.length > 0 || mountsHere().length !== entries.directories.length) throw new Error("not everything came back");
  console.log(`yes: ${entries.directories.length} directories and ${entries.files.length} files are back, and what was not listed is gone`);
}

function cleanUp() {
  spawnSync(PROGRAM, ["unmount", "--lazy"], { env, stdio: "ignore" });
  if (root) spawnSync("umount", ["--lazy", home], { stdio: "ignore" });
  else rmSync(home, { recursive: true, force: true });
  rmSync(base, { recursive: true, force: true });
}

try {
  main();
} catch (error) {
  console.error(`\ndemo failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  cleanUp();
}
