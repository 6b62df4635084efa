# Paths that would lead out of the home or over it.
{
  home.persistence."/persistent/home/jane" = {
    directories = [
      "../other"
      "a/../../b"
      "/home/jane/Downloads"
      "/etc"
      "~/Music"
      "."
      ""
      "fine/./and//normal/"
    ];
    files = [
      "file/"
      "new\nline"
    ];
  };
  home.persistence."/nix/dotfiles" = {
    removePrefixDirectory = true;
    directories = [ "Firefox" ];
    files = [ "./.screenrc" ];
  };
  home.persistence."/nix/../dotfiles".directories = [ "x" ];
  home.persistence."nix/dotfiles".directories = [ "z" ];
  home.persistence."/home/jane".directories = [ "y" ];
}
