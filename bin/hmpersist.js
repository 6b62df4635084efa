#!/usr/bin/env node
// Checks the version of Node.js before anything that needs it is loaded.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`hmpersist needs Node.js 20.19 or newer; this is ${process.versions.node}\n`);
  process.exit(4);
}
await import("../dist/cli/main.js");
