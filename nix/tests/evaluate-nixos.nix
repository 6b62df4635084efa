# The NixOS module on a given nixpkgs lib, with stubs for what it sets and for Home Manager's NixOS module.
# fuseEnable: "" for a NixOS from before there was programs.fuse.enable.
{
  nixpkgs,
  case,
  fuseEnable ? "yes",
}:
let
  lib = import (/. + nixpkgs + "/lib");
  pkgs = import ./stub-pkgs.nix {
    inherit lib;
    path = /. + nixpkgs;
  };
  option =
    type: default:
    lib.mkOption { inherit type default; };
  any = option lib.types.anything { };
  user = lib.types.submoduleWith {
    modules = [
      ./stub-home-manager.nix
      { _module.args.pkgs = lib.mkForce pkgs; }
    ]
    ++ evaluated.config.home-manager.sharedModules;
    specialArgs = {
      osConfig = evaluated.config;
      lib = lib.extend (
        _: _: {
          hm = {
            assertions.assertPlatform = _: _: _: {
              assertion = true;
              message = "";
            };
            dag = {
              entryBefore = _: data: { inherit data; };
              entryAfter = _: data: { inherit data; };
              entryBetween = _: _: data: { inherit data; };
            };
          };
        }
      );
    };
  };
  stub = {
    options = {
      environment.systemPackages = option (lib.types.listOf lib.types.package) [ ];
      programs.fuse = {
        userAllowOther = option lib.types.bool false;
      }
      // lib.optionalAttrs (fuseEnable != "") { enable = option lib.types.bool false; };
      systemd.user.services = any;
      systemd.tmpfiles.rules = option (lib.types.listOf lib.types.str) [ ];
      home-manager = {
        users = option (lib.types.attrsOf user) { };
        sharedModules = option (lib.types.listOf lib.types.raw) [ ];
      };
    };
  };
  evaluated = lib.evalModules {
    modules = [
      stub
      ../nixos.nix
      { _module.args.pkgs = pkgs; }
      (/. + case)
    ];
  };
  inherit (evaluated) config;
in
{
  fuse = config.programs.fuse;
  service = config.systemd.user.services.hmpersist or null;
  tmpfiles = config.systemd.tmpfiles.rules;
  sharedModules = builtins.length config.home-manager.sharedModules;
  users = builtins.mapAttrs (_: user: {
    unit = user.systemd.user.services.hmpersist or null;
    refused = map (one: one.message) (builtins.filter (one: !one.assertion) user.assertions);
  }) config.home-manager.users;
}
