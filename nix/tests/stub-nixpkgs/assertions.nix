# Stands where Home Manager looks for nixpkgs' module of this name.
{ lib, ... }:
let
  list = lib.mkOption {
    type = lib.types.listOf lib.types.unspecified;
    default = [ ];
  };
in
{
  options = {
    assertions = list;
    warnings = list;
  };
}
