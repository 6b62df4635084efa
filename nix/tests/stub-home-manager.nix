# The options of Home Manager that the module reads or sets and nothing else, so that it evaluates on nixpkgs' `lib` alone. What real
# Home Manager makes of the same cases is compared with the same expectations.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  entry = types.submodule {
    options = {
      after = option (types.listOf types.str) [ ];
      before = option (types.listOf types.str) [ ];
      data = option types.lines "";
    };
  };
  file = types.submodule (
    { name, ... }:
    {
      options = {
        enable = option types.bool true;
        target = option types.str name;
        text = option (types.nullOr types.lines) null;
        source = option (types.nullOr types.path) null;
        recursive = option types.bool false;
      };
    }
  );
in
{
  options = {
    meta.maintainers = option (types.listOf types.anything) [ ];
    assertions = option (types.listOf types.anything) [ ];
    home = {
      username = option types.str "jane";
      homeDirectory = option types.path "/home/jane";
      stateVersion = option types.str "";
      packages = option (types.listOf types.package) [ ];
      file = option (types.attrsOf file) { };
      activation = option (types.attrsOf entry) { };
    };
    xdg.configHome = option types.path "/home/jane/.config";
    systemd.user = {
      systemctlPath = option types.str "/bin/systemctl";
      services = option (types.attrsOf (types.attrsOf (types.attrsOf types.anything))) { };
    };
  };
}
