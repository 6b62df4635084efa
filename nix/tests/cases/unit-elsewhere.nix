# The unit lies outside the home, so all of ~/.config may be persisted.
{
  home.persistence."/persistent/home/jane".directories = [ ".config" ];
  programs.hmpersist.service.enable = false;
}
