# A mount over the directory of the unit that makes it: after a reboot nothing would start it.
{
  home.persistence."/persistent/home/jane".directories = [ ".config" ];
}
