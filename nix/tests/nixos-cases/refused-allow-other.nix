# NixOS forbids what jane asks for.
{
  programs.hmpersist.enable = true;
  programs.fuse.userAllowOther = false;
  home-manager.users.jane.home.persistence."/persistent/home/jane" = {
    allowOther = true;
    directories = [ "Documents" ];
  };
}
