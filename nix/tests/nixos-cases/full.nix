# Home Manager as a NixOS module for jane, who wants others in her mounts; bob uses standalone Home Manager; carol persists nothing.
{
  programs.hmpersist = {
    enable = true;
    bootstrap.directory = "/persistent/hmpersist";
    bootstrap.users = [ "bob" ];
  };
  home-manager.users = {
    jane.home.persistence."/persistent/home/jane" = {
      allowOther = true;
      directories = [ ".config" ];
    };
    carol.home = {
      username = "carol";
      homeDirectory = "/home/carol";
    };
  };
}
