#!/usr/bin/env bash
# node-modules.sh SOURCE OUT [NPM-OPTION...]: what package.nix needs of node_modules, as a directory whose content depends on the lock
# file and the platform alone. Run by its fixed-output derivation and by update-hashes, so that both give one hash. Writes nothing else.
set -euo pipefail
source=$1 out=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work
mkdir "$work/build"
cp "$source/package-lock.json" "$work/build/package-lock.json"

# Of the development tools only what `npm run build` runs; not the second engine, whose binaries are built for other systems' libraries.
node -e '
  const { readFileSync, writeFileSync } = require("node:fs");
  const [from, to] = process.argv.slice(1);
  const manifest = JSON.parse(readFileSync(from, "utf8"));
  const wanted = ([name]) => name === "typescript" || name.startsWith("@types/");
  manifest.devDependencies = Object.fromEntries(Object.entries(manifest.devDependencies).filter(wanted));
  delete manifest.scripts;
  delete manifest.optionalDependencies;
  writeFileSync(to, JSON.stringify(manifest));
' "$source/package.json" "$work/build/package.json"

# Not `npm ci`: it wants entries for the packages of every other platform, which not every npm writes. No script runs.
(cd "$work/build" && npm install --no-save --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error "$@") >&2

# Times and paths of the installation; a koffi for a libc that is not nixpkgs'.
rm -f "$work/build/node_modules/.package-lock.json"
rm -rf "$work"/build/node_modules/@koromix/koffi-*/musl_*
mkdir -p "$(dirname "$out")"
cp -r --no-preserve=ownership,timestamps "$work/build/node_modules" "$out"
