# Files of another user cannot be had without root; allowOther needs NixOS to allow it.
{
  home.persistence."/persistent/home/jane" = {
    allowOther = true;
    directories = [
      {
        directory = "secret";
        user = "root";
      }
    ];
    files = [
      {
        file = "x/y";
        parentDirectory.user = "bob";
      }
    ];
  };
}
