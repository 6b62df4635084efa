# Names that broke a unit per directory: equal once sanitised, with quotes, spaces, dollars and percents.
{
  home.persistence."/persistent/home/jane" = {
    directories = [
      ".config/gtk-3.0"
      ".config/gtk-30"
      ".logseq"
      "logseq"
      "Bitwarden"
      "Bitwarden CLI"
      "Täglich/%h $HOME"
    ];
    files = [ "it's \"quoted\" \\ \${x}" ];
  };
}
