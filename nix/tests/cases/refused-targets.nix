# One target twice: in a storage, from two storages, as directory and file, and over a storage.
{
  home.persistence."/persistent/one" = {
    directories = [
      "same"
      "./same/"
      "shared"
    ];
    files = [ "both" ];
  };
  home.persistence."/persistent/two" = {
    removePrefixDirectory = true;
    directories = [
      "app/shared"
      "app/both"
    ];
  };
  home.persistence."/home/jane/disk/data".directories = [ "disk" ];
}
