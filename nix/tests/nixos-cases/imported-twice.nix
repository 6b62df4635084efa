# jane imports what the NixOS module has brought already, by each of its names; the flake's has a class, which came with 23.05.
{
  programs.hmpersist.enable = true;
  home-manager.users.jane =
    { lib, ... }:
    {
      imports = [
        ../../../home-manager.nix
        (import ../../../home-manager.nix)
      ]
      ++ lib.optional (lib.functionArgs lib.evalModules ? class) (
        (import ../../../flake.nix).outputs {
          self = { };
          nixpkgs = { };
        }
      ).homeModules.default;
      home.persistence."/persistent/home/jane".directories = [ "Documents" ];
    };
}
