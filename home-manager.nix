import ./nix/home-manager.nix
