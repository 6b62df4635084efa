# Nested directories: redundant in one storage, mounted parents first from two, which needs allowOther on the outer one.
{
  home.persistence."/persistent/home/jane" = {
    allowOther = true;
    directories = [
      ".local/share/app"
      ".local/share"
    ];
  };
  home.persistence."/cache".directories = [ ".local/share/app/cache" ];
}
