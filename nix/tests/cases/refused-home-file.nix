# home.file and home.persistence want the same path, or one makes a link above the other.
{
  home.persistence."/persistent/home/jane" = {
    directories = [ ".vim/plugged" ];
    files = [
      ".bashrc"
      ".zshrc"
    ];
  };
  home.file = {
    ".bashrc".text = "";
    ".vim".text = "";
    renamed = {
      target = ".zshrc";
      text = "";
    };
  };
}
