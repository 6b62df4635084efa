# The NixOS module: what of hmpersist needs root. The set-uid fusermount3, user_allow_other when a user asks for it, the Home Manager
# module for every user, and a unit outside the homes, so that a home on tmpfs comes back at boot or login by itself.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkDefault
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    optionalAttrs
    types
    ;

  persist = import ./lib.nix;
  cfg = config.programs.hmpersist;

  # Home Manager as a NixOS module, where it is one.
  homes = if options ? home-manager then builtins.attrValues config.home-manager.users else [ ];
  storages = user: builtins.filter (storage: storage.enable) (builtins.attrValues user.home.persistence);
  persisting = builtins.filter (user: storages user != [ ]) homes;
  # Their last link would bring everything back at each boot. Those of bootstrap.users write the file themselves.
  forgetting = builtins.filter (
    user: storages user == [ ] && !builtins.elem user.home.username cfg.bootstrap.users
  ) homes;
  anyAllowOther = builtins.any (
    user: builtins.any (storage: storage.allowOther == true) (storages user)
  ) homes;

  unit = persist.unit {
    execute = lib.getExe cfg.package;
    config = "${cfg.bootstrap.directory}/%u/config.json";
    condition = "${cfg.bootstrap.directory}/%u/config.json";
  };
in
{
  options.programs.hmpersist = {
    enable = mkEnableOption "hmpersist, which brings homes on tmpfs back from persistent storage";

    package = import ./package-option.nix { inherit lib pkgs; };

    bootstrap = {
      enable = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = ''
          Whether to put {file}`hmpersist.service` under {file}`/etc/systemd/user`, where a home on tmpfs cannot lose it. It reads
          the configuration of the user from {option}`programs.hmpersist.bootstrap.directory` and does nothing for users without one.
        '';
      };

      directory = mkOption {
        type = types.path;
        default = "/var/lib/hmpersist";
        example = "/persistent/hmpersist";
        description = ''
          Holds a directory for each user with that user's {file}`config.json`. With Home Manager as a NixOS module it is filled at
          boot; for {option}`programs.hmpersist.bootstrap.users` it must survive a reboot.
        '';
      };

      users = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "jane" ];
        description = ''
          Users of standalone Home Manager, who write their configuration themselves: each sets
          {option}`programs.hmpersist.bootstrapConfig` to the {file}`config.json` in their directory here.
        '';
      };
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      environment.systemPackages = [ cfg.package ];
      programs.fuse = {
        userAllowOther = mkIf anyAllowOther (mkDefault true);
      }
      # Always on in old releases, where there is no such option; off by default in new ones.
      // optionalAttrs (options.programs.fuse ? enable) { enable = mkDefault true; };
    }

    (optionalAttrs (options ? home-manager) {
      home-manager.sharedModules = [
        ./home-manager.nix
        { programs.hmpersist.package = mkDefault cfg.package; }
      ];
    })

    (mkIf cfg.bootstrap.enable {
      systemd.user.services.hmpersist = {
        description = unit.Unit.Description;
        unitConfig = removeAttrs unit.Unit [ "Description" ];
        serviceConfig = unit.Service;
        wantedBy = unit.Install.WantedBy;
        restartIfChanged = false;
        stopIfChanged = false;
      };

      systemd.tmpfiles.rules = [
        "d ${cfg.bootstrap.directory} 0755 root root - -"
      ]
      ++ builtins.concatMap (user: [
        "d ${cfg.bootstrap.directory}/${user.home.username} 0755 root root - -"
        "L+ ${cfg.bootstrap.directory}/${user.home.username}/config.json - - - - ${user.programs.hmpersist.configFile}"
      ]) persisting
      ++ map (user: "r ${cfg.bootstrap.directory}/${user.home.username}/config.json") forgetting
      ++ map (user: "d ${cfg.bootstrap.directory}/${user} 0700 ${user} - - -") cfg.bootstrap.users;
    })
  ]);
}
