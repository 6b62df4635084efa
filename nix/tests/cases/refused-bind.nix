# Bind mounts need root: named where they are asked for.
{
  home.persistence."/persistent/one" = {
    defaultDirectoryMethod = "bind";
    directories = [
      "a"
      "b"
      {
        directory = "c";
        method = "fuse";
      }
    ];
  };
  home.persistence."/persistent/two".directories = [
    "d"
    {
      directory = "e";
      method = "bind";
    }
  ];
}
