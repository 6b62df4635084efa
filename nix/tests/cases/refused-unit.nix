# A mount over the directory of the unit that makes it, or of the link that starts that: after a reboot nothing would.
{
  home.persistence."/persistent/home/jane".directories = [
    ".config"
    ".config/systemd/user/paths.target.wants"
  ];
}
