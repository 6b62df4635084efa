# At the root, for a flake cannot read a parent directory. nixpkgs is the only input; Home Manager is the user's own.
{
  description = "Brings a home directory on tmpfs back from persistent storage, without root";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forAll = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});

      # `_class` inside nix/home-manager.nix would break Home Manager 22.05 and 22.11.
      homeModule = {
        _class = "homeManager";
        _file = ./nix/home-manager.nix;
        imports = [ ./nix/home-manager.nix ];
      };
      nixosModule = {
        _class = "nixos";
        _file = ./nix/nixos.nix;
        imports = [ ./nix/nixos.nix ];
      };
    in
    {
      homeModules.default = homeModule;
      homeManagerModules.default = homeModule;
      nixosModules.default = nixosModule;

      overlays.default = final: _: { hmpersist = final.callPackage ./nix/package.nix { }; };

      packages = forAll (pkgs: rec {
        hmpersist = pkgs.callPackage ./nix/package.nix { };
        default = hmpersist;
      });

      checks = forAll (pkgs: {
        package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        lib =
          let
            failed = import ./nix/tests/lib-tests.nix;
          in
          if failed == [ ] then
            pkgs.runCommand "hmpersist-lib-tests" { } "touch $out"
          else
            throw "nix/lib.nix: ${builtins.toJSON failed}";
      });

      formatter = forAll (pkgs: pkgs.nixfmt-rfc-style or pkgs.nixfmt);
    };
}
