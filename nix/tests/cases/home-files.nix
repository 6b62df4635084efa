# What Home Manager writes below a persisted directory lands in storage: no reason to refuse.
{
  home.persistence."/persistent/home/jane".directories = [
    ".config/app"
    ".vim/plugged"
  ];
  home.file = {
    ".config/app/settings.ini".text = "a=1";
    ".vim".recursive = true;
    ".vim".source = ./.;
  };
}
