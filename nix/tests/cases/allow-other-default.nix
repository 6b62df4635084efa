# allowOther unset: what NixOS says, without a warning.
{
  home.persistence."/persistent/home/jane".directories = [ "Documents" ];
}
