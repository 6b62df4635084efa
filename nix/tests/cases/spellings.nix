# Every option once, in the words of both eras.
{
  home.persistence.data = {
    persistentStoragePath = /persistent/home/jane;
    defaultDirectoryMethod = "bindfs";
    allowOther = false;
    cache = "exclusive";
    mode = "0755";
    hideMounts = true;
    allowTrash = true;
    enableWarnings = false;
    directories = [
      "plain"
      {
        directory = "detailed";
        method = "symlink";
        mode = "0700";
        cache = "shared";
        onNonEmpty = "adopt";
        hideMount = false;
        allowTrash = false;
        user = "jane";
      }
      {
        directory = "old-word";
        method = "bindfs";
      }
    ];
    files = [
      "plain-file"
      {
        file = "detailed-file";
        onConflict = "backup";
        method = "symlink";
        parentDirectory = {
          mode = "0700";
          user = "jane";
        };
      }
    ];
  };
  programs.hmpersist = {
    engine = "kernel";
    ephemeral.ignore = [ ".cache/" ];
    bootstrapConfig = "/persistent/hmpersist/jane/config.json";
  };
}
