# Nobody asks for allowOther, and units stay in the homes.
{
  programs.hmpersist = {
    enable = true;
    bootstrap.enable = false;
  };
  home-manager.users.jane.home.persistence."/persistent/home/jane".directories = [ "Documents" ];
}
