# One case on a given nixpkgs lib and, if given, a real Home Manager; what of it matters as plain data.
#   nix-instantiate --eval --strict --json evaluate.nix --argstr nixpkgs /path --argstr case /path/case.nix
# nixpkgs: a directory with nixpkgs' `lib` and, for real Home Manager, what it takes of nixos/ (stub-nixpkgs).
# osConfig: the JSON of what NixOS says, "" for standalone.
{
  nixpkgs,
  case,
  homeManager ? "",
  osConfig ? "",
}:
let
  plain = import (/. + nixpkgs + "/lib");
  hmLib = /. + homeManager + "/modules/lib";
  lib =
    if homeManager != "" then
      import (hmLib + "/stdlib-extended.nix") plain
    else
      plain.extend (
        _: _: {
          hm = {
            assertions.assertPlatform = module: pkgs: platforms: {
              assertion = builtins.elem pkgs.stdenv.hostPlatform.system platforms;
              message = "${module} needs one of ${toString platforms}";
            };
            dag = rec {
              entryBetween = before: after: data: { inherit before after data; };
              entryBefore = before: entryBetween before [ ];
              entryAfter = entryBetween [ ];
            };
          };
        }
      );
  pkgs = import ./stub-pkgs.nix {
    inherit lib;
    path = /. + nixpkgs;
  };

  stub = [ ./stub-home-manager.nix ];
  real = import (/. + homeManager + "/modules/modules.nix") {
    check = true;
    useNixpkgsModule = false;
    inherit lib pkgs;
  };
  user = {
    home = {
      username = "jane";
      homeDirectory = "/home/jane";
      stateVersion = "22.05";
    };
  }
  # Old releases download a tool for their manual.
  // lib.optionalAttrs (homeManager != "") { manual.manpages.enable = false; };

  evaluated = lib.evalModules {
    modules = (if homeManager == "" then stub else real) ++ [
      user
      { _module.args.pkgs = lib.mkForce pkgs; }
      ../../home-manager.nix
      (/. + case)
    ];
    specialArgs = {
      modulesPath = "/modules";
    }
    // (if osConfig == "" then { } else { osConfig = builtins.fromJSON osConfig; });
  };
  inherit (evaluated) config;
  # New releases make lists of some keys and add empty ones.
  plainSection =
    section:
    lib.mapAttrs (
      _: value:
      if builtins.isList value && builtins.length value == 1 then builtins.head value else value
    ) (lib.filterAttrs (_: value: value != null && value != [ ]) section);
  ours = lib.filterAttrs (name: _: lib.hasPrefix "hmpersist" name) config.home.activation;
in
{
  # null while nothing is persisted: the module is inert.
  file = if ours == { } then null else builtins.fromJSON config.programs.hmpersist.configFile.text;
  unit =
    if config.systemd.user.services ? hmpersist then
      builtins.mapAttrs (_: plainSection) config.systemd.user.services.hmpersist
    else
      null;
  refused = map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
  activation = builtins.mapAttrs (_: entry: { inherit (entry) before after data; }) ours;
  # In which order real Home Manager runs its steps.
  order =
    if homeManager == "" then
      [ ]
    else
      map (step: step.name) (lib.hm.dag.topoSort config.home.activation).result;
  packages = builtins.filter (name: name == "hmpersist") (
    map (package: package.name or "") config.home.packages
  );
}
