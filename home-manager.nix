# By `imports` and not by `import`: known by its path, the module may be imported twice.
{ imports = [ ./nix/home-manager.nix ]; }
