# The Home Manager module: `home.persistence` becomes one configuration file, one user unit and three activation steps. Nothing is
# decided in shell but whether a daemon runs. Evaluates with Home Manager 22.05 and later, as a NixOS module (osConfig) and standalone.
args@{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    literalExpression
    mkIf
    mkOption
    types
    ;

  persist = import ./lib.nix;
  cfg = config.programs.hmpersist;

  # A special argument under NixOS; absent or null standalone, depending on the release.
  osConfig = args.osConfig or null;
  osFuse = if osConfig == null then { } else osConfig.programs.fuse or { };
  osHmpersist = if osConfig == null then { } else osConfig.programs.hmpersist or { };
  osBootstrap = (osHmpersist.enable or false) && (osHmpersist.bootstrap.enable or false);

  home = persist.normalise (toString config.home.homeDirectory);
  unitDirectory = "${persist.normalise (toString config.xdg.configHome)}/systemd/user";
  active = builtins.any (storage: storage.enable) (builtins.attrValues config.home.persistence);

  # The option itself stays as written: nixos.nix asks it whether to turn userAllowOther on.
  persistence = builtins.mapAttrs (
    _: storage:
    storage
    // {
      allowOther =
        if storage.allowOther == null then osFuse.userAllowOther or false else storage.allowOther;
    }
  ) config.home.persistence;

  problems = persist.problems {
    inherit home persistence;
    inherit (config.home) username;
    # A recursive one is a directory of links, not a link: it may hold what is persisted.
    homeFiles = builtins.filter (file: (file.enable or true) && !(file.recursive or false)) (
      lib.mapAttrsToList (name: file: file // { inherit name; }) config.home.file
    );
    unitDirectory = if cfg.service.enable then unitDirectory else null;
    userAllowOther = osFuse.userAllowOther or null;
  };

  exe = lib.getExe cfg.package;

  steps = persist.activation {
    execute = exe;
    config = "${cfg.configFile}";
    systemctl = config.systemd.user.systemctlPath;
    bootstrap = toString cfg.bootstrapConfig;
  };
in
{
  meta.maintainers = [ ];

  options = {
    home.persistence = import ./options.nix {
      inherit lib;
      inherit (config.home) username;
    };

    programs.hmpersist = {
      package = import ./package-option.nix { inherit lib pkgs; };

      engine = mkOption {
        type = types.enum [
          "auto"
          "kernel"
          "fuse-native"
        ];
        default = "auto";
        example = "kernel";
        description = ''
          Who answers the kernel: `kernel` is built in, `fuse-native` the optional package of that name, `auto` the best that runs.
        '';
      };

      ephemeral.ignore = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ ".cache/" ];
        description = ''
          Patterns, as in {file}`.gitignore`, that {command}`hmpersist ephemeral` passes over.
        '';
      };

      service.enable = mkOption {
        type = types.bool;
        default = !osBootstrap;
        defaultText = literalExpression "true, unless NixOS has the unit (programs.hmpersist.bootstrap.enable)";
        example = false;
        description = ''
          Whether to write {file}`hmpersist.service` into the home. A home on tmpfs forgets it at reboot: it comes back when Home
          Manager is activated, which as a NixOS module it is at every boot. Elsewhere the unit should lie outside the home; then
          turn this off and set {option}`programs.hmpersist.bootstrapConfig`.
        '';
      };

      bootstrapConfig = mkOption {
        type = types.nullOr types.path;
        default = null;
        example = "/persistent/hmpersist/jane/config.json";
        description = ''
          Where each activation puts a copy of the configuration for a unit outside the home, which must find it before the home is
          back: a path on persistent storage the user may write to. In NixOS with Home Manager as its module none is needed.
        '';
      };

      configFile = mkOption {
        type = types.package;
        readOnly = true;
        internal = true;
        description = ''
          The rendered configuration.
        '';
      };
    };
  };

  config = mkIf active {
    programs.hmpersist.configFile = pkgs.writeText "hmpersist.json" (
      builtins.toJSON (
        persist.render {
          inherit home persistence;
          inherit (cfg) engine;
          inherit (cfg.ephemeral) ignore;
        }
      )
    );

    assertions = [
      (lib.hm.assertions.assertPlatform "home.persistence" pkgs lib.platforms.linux)
    ]
    ++ map (problem: {
      assertion = false;
      message = persist.message problem;
    }) problems;

    home.packages = [ cfg.package ];

    home.activation = {
      hmpersistMount = lib.hm.dag.entryBefore [ "checkLinkTargets" ] steps.mount;
      hmpersistHandOver = lib.hm.dag.entryBetween [ "reloadSystemd" ] [ "linkGeneration" ] steps.handOver;
      hmpersistStart = lib.hm.dag.entryAfter [ "reloadSystemd" ] steps.start;
      hmpersistBootstrap = mkIf (cfg.bootstrapConfig != null) (
        lib.hm.dag.entryBetween [ "hmpersistHandOver" ] [ "writeBoundary" ] steps.bootstrap
      );
    };

    systemd.user.services.hmpersist = mkIf cfg.service.enable (
      persist.unit {
        execute = exe;
        config = "${cfg.configFile}";
      }
    );
  };
}
