# The users of full.nix, once jane persists nothing any more.
{ lib, ... }:
{
  imports = [ ./full.nix ];
  home-manager.users.jane.home.persistence = lib.mkForce { };
}
