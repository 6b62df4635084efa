# Packages as names: enough to say where something would be, nothing can be built. A package nobody named is one all the same, as
# long as it is asked for by a name listed here.
{ lib, path }:
let
  package =
    name: extra:
    {
      type = "derivation";
      inherit name;
      pname = name;
      version = "1";
      outPath = "/nix/store/00000000000000000000000000000000-${name}";
      drvPath = "/nix/store/00000000000000000000000000000000-${name}.drv";
      outputName = "out";
      meta.mainProgram = name;
    }
    // extra;
  platform = {
    system = "x86_64-linux";
    isLinux = true;
    isDarwin = false;
  };
in
{
  inherit lib path;
  stdenv = {
    hostPlatform = platform;
    inherit (platform) isLinux isDarwin;
  };
  system = "x86_64-linux";
  writeText = name: text: package name { inherit text; };
  writeTextFile = { name, text, ... }: package name { inherit text; };
  writeShellScript = name: text: package name { inherit text; };
  writeScript = name: text: package name { inherit text; };
  runCommand = name: _: _: package name { };
  runCommandLocal = name: _: _: package name { };
  callPackage = _: _: package "hmpersist" { };
  formats = lib.genAttrs [ "ini" "json" "toml" "yaml" "keyValue" "iniWithGlobalSection" ] (
    name: _: {
      type = lib.types.attrs;
      lib.types.atom = lib.types.str;
      generate = file: _: package file { };
    }
  );
}
// lib.genAttrs [
  "hmpersist"
  "systemd"
  "coreutils"
  "bash"
  "gettext"
  "nix"
  "sd-switch"
  "hello"
  "man"
  "man-db"
  "less"
  "shared-mime-info"
  "dconf"
  "glibcLocales"
  "tzdata"
] (name: package name { })
