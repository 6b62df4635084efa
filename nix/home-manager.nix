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
    homeFiles = map (file: file.target) (
      builtins.filter (file: (file.enable or true) && !(file.recursive or false)) (
        builtins.attrValues config.home.file
      )
    );
    unitDirectory = if cfg.service.enable then unitDirectory else null;
    userAllowOther = osFuse.userAllowOther or null;
  };

  exe = lib.getExe cfg.package;

  run = command: persist.shellWords ([ exe ] ++ command);
  withConfig = command: run (command ++ [ "--config" "${cfg.configFile}" ]);

  # Home Manager's PATH holds nothing of the system, and a boot sets no XDG_RUNTIME_DIR.
  runtimeDirectory = "\${XDG_RUNTIME_DIR:-/run/user/$UID}";
  systemctl = "env XDG_RUNTIME_DIR=\"${runtimeDirectory}\" ${persist.shellWords [ config.systemd.user.systemctlPath ]} --user";

  # Mounted before anything looks at the home, so that what Home Manager finds and writes is what lies in storage. A running daemon
  # takes the new configuration over at once and is not restarted. Without one (the boot of NixOS before login, the first switch)
  # everything is mounted for the length of this activation only: what an activation leaves running belongs to the cgroup of
  # Home Manager's system service and would be killed with it.
  mountStep = ''
    function hmpersistRelease() {
      if [[ -v hmpersistTemporary ]]; then
        unset hmpersistTemporary
        ${run [ "unmount" "--lazy" ]} || true
      fi
    }

    if [[ -v DRY_RUN ]]; then
      echo "hmpersist: a live run would mount and link before the files are checked:"
      ${withConfig [ "plan" ]} || true
    else
      hmpersistStatus=0
      ${withConfig [ "apply" ]} || hmpersistStatus=$?
      if (( hmpersistStatus == 5 )); then
        hmpersistStatus=0
        eval "hmpersistTrap=($(trap -p EXIT))"
        hmpersistTemporary=1
        trap 'hmpersistRelease; eval "''${hmpersistTrap[2]:-}"' EXIT
        ${withConfig [ "mount" ]} || hmpersistStatus=$?
      fi
      if (( hmpersistStatus != 0 )); then
        echo "hmpersist: not everything is in place (exit code $hmpersistStatus), see above and 'hmpersist status'" >&2
      fi
      unset hmpersistStatus
    fi
  '';

  # Hands over to the user manager, if there is one; otherwise the mounts stay until this activation ends.
  handOverStep = ''
    if [[ ! -v DRY_RUN && -S "${runtimeDirectory}/systemd/private" ]]; then
      hmpersistRelease
    fi
  '';

  startStep = ''
    if [[ -S "${runtimeDirectory}/systemd/private" ]]; then
      $DRY_RUN_CMD ${systemctl} start hmpersist.service \
        || echo "hmpersist: hmpersist.service did not start, see 'systemctl --user status hmpersist'" >&2
    fi
  '';

  bootstrapStep = ''
    $DRY_RUN_CMD install -D -m 0600 ${
      persist.shellWords [
        "${cfg.configFile}"
        "${toString cfg.bootstrapConfig}.new"
      ]
    }
    $DRY_RUN_CMD mv -f ${
      persist.shellWords [
        "${toString cfg.bootstrapConfig}.new"
        (toString cfg.bootstrapConfig)
      ]
    }
  '';
in
{
  meta.maintainers = [ ];

  options = {
    home.persistence = import ./options.nix {
      inherit lib;
      inherit (config.home) username;
    };

    programs.hmpersist = {
      package = mkOption {
        type = types.package;
        default = pkgs.hmpersist or (pkgs.callPackage ./package.nix { });
        defaultText = literalExpression "pkgs.hmpersist";
        example = literalExpression "pkgs.hmpersist";
        description = ''
          The hmpersist package.
        '';
      };

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
      hmpersistMount = lib.hm.dag.entryBefore [ "checkLinkTargets" ] mountStep;
      hmpersistHandOver = lib.hm.dag.entryBetween [ "reloadSystemd" ] [ "linkGeneration" ] handOverStep;
      hmpersistStart = lib.hm.dag.entryAfter [ "reloadSystemd" ] startStep;
      hmpersistBootstrap = mkIf (cfg.bootstrapConfig != null) (
        lib.hm.dag.entryAfter [ "writeBoundary" ] bootstrapStep
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
