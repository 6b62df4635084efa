# A storage whose directories are links unless they say otherwise.
{
  home.persistence."/persistent/home/jane" = {
    defaultDirectoryMethod = "symlink";
    directories = [
      ".local/share/Steam"
      {
        directory = ".mozilla";
        method = "fuse";
      }
    ];
  };
}
