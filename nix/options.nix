# The options of `home.persistence`: those of the bindfs-era module with their meaning, and what came later. null in an entry means
# "as the storage says".
{ lib, username }:
let
  inherit (lib) literalExpression mkOption types;

  method = types.enum [
    "fuse"
    "bindfs"
    "symlink"
    "bind"
  ];
  cache = types.enum [
    "shared"
    "exclusive"
  ];
  octal = types.strMatching "[0-7]{3,4}";

  flag =
    default: description:
    mkOption {
      type = types.bool;
      inherit default description;
      example = true;
    };

  inherited =
    type: example: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit example description;
    };

  owner = {
    user = inherited types.str "jane" ''
      Accepted for configurations shared with NixOS. Everything belongs to the user hmpersist runs as, so this must name that user.
    '';
    group = inherited types.str "users" ''
      Accepted for configurations shared with NixOS. Must be a group of the user.
    '';
  };

  directory =
    storage:
    types.submodule {
      options = {
        directory = mkOption {
          type = types.str;
          example = "Firefox/.mozilla";
          description = ''
            The directory, relative to the storage and, less a removed prefix, to the home.
          '';
        };
        method = mkOption {
          type = method;
          default = storage.defaultDirectoryMethod;
          defaultText = literalExpression "defaultDirectoryMethod";
          example = "symlink";
          description = ''
            How the directory gets into the home; see {option}`defaultDirectoryMethod`.
          '';
        };
        mode = inherited octal "0755" ''
          Permissions of the storage directory if it has to be created; default: the storage's {option}`mode`.
        '';
        cache = inherited cache "exclusive" ''
          See the storage's {option}`cache`, which is the default.
        '';
        onNonEmpty = mkOption {
          type = types.enum [
            "refuse"
            "adopt"
            "shadow"
          ];
          default = "refuse";
          example = "adopt";
          description = ''
            When data stand where the directory is to be mounted: `refuse` leaves both alone, `adopt` moves the data into storage first,
            `shadow` mounts over them.
          '';
        };
        hideMount = inherited types.bool true ''
          Keep this mount out of file managers; default: the storage's {option}`hideMounts`.
        '';
        allowTrash = inherited types.bool true ''
          Let file managers keep a trash on this mount; default: the storage's {option}`allowTrash`.
        '';
        inherit (owner) user group;
      };
    };

  file = types.submodule {
    options = {
      file = mkOption {
        type = types.str;
        example = "Screen/.screenrc";
        description = ''
          The file, relative to the storage and, less a removed prefix, to the home, where a link to it is made.
        '';
      };
      onConflict = mkOption {
        type = types.enum [
          "refuse"
          "adopt"
          "backup"
        ];
        default = "refuse";
        example = "backup";
        description = ''
          When another file stands where the link belongs: `refuse` leaves it, `adopt` moves it into storage, `backup` sets it aside.
          An empty file, or one with the same content, is replaced in any case.
        '';
      };
      method = mkOption {
        type = types.enum [
          "auto"
          "symlink"
        ];
        default = "auto";
        example = "symlink";
        description = ''
          Accepted for configurations shared with NixOS: a file is always a link.
        '';
      };
      parentDirectory = {
        mode = inherited octal "0755" ''
          Permissions of the directories above the file that have to be created; default: the storage's {option}`mode`.
        '';
        inherit (owner) user group;
      };
    };
  };

  storage =
    { name, config, ... }:
    {
      options = {
        persistentStoragePath = mkOption {
          # Any string: a relative one is refused with the storage's name (lib.nix).
          type = types.either types.path types.str;
          default = name;
          defaultText = literalExpression "the attribute's name";
          example = "/persistent/home/${username}";
          description = ''
            The storage: it stands for the home, so that `.mozilla` below it is `.mozilla` in the home. It must exist.
          '';
        };
        enable = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = ''
            Whether anything of this storage is mounted and linked.
          '';
        };
        defaultDirectoryMethod = mkOption {
          type = method;
          default = "bindfs";
          example = "symlink";
          description = ''
            How directories get into the home: `fuse` mounts (`bindfs` is the old word for it), `symlink` makes a link to the
            directory, `bind` is a bind mount, which only root can make.
          '';
        };
        directories = mkOption {
          type = types.listOf (types.coercedTo types.str (path: { directory = path; }) (directory config));
          default = [ ];
          example = [
            "Documents"
            ".mozilla"
            {
              directory = ".local/share/Steam";
              method = "symlink";
            }
          ];
          description = ''
            Directories to bring back: paths, or attribute sets.
          '';
        };
        files = mkOption {
          type = types.listOf (types.coercedTo types.str (path: { file = path; }) file);
          default = [ ];
          example = [ ".screenrc" ];
          description = ''
            Files to bring back, each as a link: paths, or attribute sets.
          '';
        };
        allowOther = mkOption {
          type = types.nullOr types.bool;
          default = null;
          defaultText = literalExpression "osConfig.programs.fuse.userAllowOther or false";
          example = true;
          description = ''
            Let other users, root included, through the mounts. Needs `user_allow_other` in {file}`/etc/fuse.conf`, which is
            {option}`programs.fuse.userAllowOther` in NixOS.
          '';
        };
        removePrefixDirectory = flag false ''
          Drop the first component of each path in the home, as GNU Stow does: `Firefox/.mozilla` in storage is `.mozilla` at home.
        '';
        cache = mkOption {
          type = cache;
          default = "shared";
          example = "exclusive";
          description = ''
            What the kernel may keep. `shared`: changes made in the storage from outside are seen within about a second.
            `exclusive`: faster, but nothing else may write there while it is mounted: the kernel then ignores sizes and times
            that change outside.
          '';
        };
        mode = mkOption {
          type = octal;
          default = "0700";
          example = "0755";
          description = ''
            Permissions of directories that have to be created.
          '';
        };
        hideMounts = flag false ''
          Keep the mounts out of file managers (fusermount3 3.17 or later).
        '';
        allowTrash = flag false ''
          Let file managers keep a trash on the mounts (fusermount3 3.17 or later).
        '';
        enableWarnings = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = ''
            Accepted for configurations shared with NixOS; without effect, for there are no warnings.
          '';
        };
      };
    };
in
mkOption {
  type = types.attrsOf (types.submodule storage);
  default = { };
  example = literalExpression ''
    {
      "/nix/dotfiles" = {
        removePrefixDirectory = true;
        directories = [ "Firefox/.mozilla" ];
        files = [ "Screen/.screenrc" ];
      };
    }
  '';
  description = ''
    What to bring back into the home from persistent storage, by storage.
  '';
}
