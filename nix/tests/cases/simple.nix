{
  home.persistence."/persistent/home/jane" = {
    directories = [
      "Documents"
      ".mozilla"
    ];
    files = [ ".screenrc" ];
  };
}
