# Nothing enabled: no file, no unit, no activation step.
{
  home.persistence."/persistent/home/jane" = {
    enable = false;
    directories = [ "Documents" ];
  };
}
