# A file of Home Manager that is turned off is in nobody's way (Home Manager 23.05 and later).
{
  home.persistence."/persistent/home/jane".directories = [ ".config/app" ];
  home.file.off = {
    enable = false;
    target = ".config/app";
    text = "";
  };
}
