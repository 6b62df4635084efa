# What cannot stand inside a persisted directory, each with its way out.
{
  home.persistence."/persistent/one" = {
    allowOther = false;
    directories = [
      "mounted"
      {
        directory = "linked";
        method = "symlink";
      }
    ];
    files = [
      "mounted/same-storage"
      "file"
    ];
  };
  home.persistence."/persistent/two" = {
    directories = [
      "mounted/dir"
      "linked/dir"
      "file/dir"
      {
        directory = "mounted/link";
        method = "symlink";
      }
    ];
    files = [ "mounted/file" ];
  };
}
