# `programs.hmpersist.package`, of both modules.
{ lib, pkgs }:
lib.mkOption {
  type = lib.types.package;
  default = pkgs.hmpersist or (pkgs.callPackage ./package.nix { });
  defaultText = lib.literalExpression "pkgs.hmpersist";
  example = lib.literalExpression "pkgs.hmpersist";
  description = ''
    The hmpersist package.
  '';
}
