# Pure functions of ../lib.nix, builtins only: `nix-instantiate --eval --strict --json lib-tests.nix` gives what differs, [ ] if all is well.
let
  persist = import ../lib.nix;
  home = "/home/jane";

  storage =
    extra:
    {
      enable = true;
      persistentStoragePath = "/p";
      removePrefixDirectory = false;
      allowOther = false;
      directories = [ ];
      files = [ ];
    }
    // extra;
  directory = path: {
    directory = path;
    method = "bindfs";
    user = null;
  };
  file = path: {
    file = path;
    parentDirectory.user = null;
  };
  problems =
    persistence:
    map (problem: problem.text) (
      persist.problems {
        inherit home persistence;
        username = "jane";
        homeFiles = [ ];
        unitDirectory = null;
        userAllowOther = null;
      }
    );
  targets =
    persistence: map (entry: entry.target) (persist.entries { inherit home persistence; });

  tests = {
    split-drops-empty-and-dot = {
      actual = persist.splitPath "/a//./b/";
      expected = [
        "a"
        "b"
      ];
    };
    split-keeps-dot-dot = {
      actual = persist.splitPath "../a";
      expected = [
        ".."
        "a"
      ];
    };
    normalise = {
      actual = map persist.normalise [
        "//a/b/"
        "/"
        "a"
      ];
      expected = [
        "/a/b"
        "/"
        "/a"
      ];
    };
    below-is-by-component = {
      actual = map (persist.isBelow "/a/b") [
        "/a/b/c"
        "/a/bc"
        "/a/b"
        "/a"
      ];
      expected = [
        true
        false
        false
        false
      ];
    };
    ancestors = {
      actual = persist.ancestors "/a/b/c";
      expected = [
        "/a/b"
        "/a"
      ];
    };
    ancestors-of-a-top-directory = {
      actual = persist.ancestors "/a";
      expected = [ ];
    };
    words-mean-themselves = {
      actual = persist.shellWords [
        "a b"
        "it's"
        "$x"
      ];
      expected = "'a b' 'it'\\''s' '$x'";
    };
    prefix-is-dropped-in-the-home-only = {
      actual =
        map (entry: [ entry.source entry.target ]) (
          persist.entries {
            inherit home;
            persistence."/p" = storage {
              removePrefixDirectory = true;
              directories = [ (directory "Firefox/.mozilla") ];
              files = [ (file "Screen/.screenrc") ];
            };
          }
        );
      expected = [
        [
          "/p/Firefox/.mozilla"
          "/home/jane/.mozilla"
        ]
        [
          "/p/Screen/.screenrc"
          "/home/jane/.screenrc"
        ]
      ];
    };
    disabled-storages-have-no-entries = {
      actual = targets {
        "/p" = storage {
          enable = false;
          directories = [ (directory "a") ];
        };
      };
      expected = [ ];
    };
    disabled-storages-have-no-problems = {
      actual = problems {
        "/p" = storage {
          enable = false;
          directories = [ (directory "..") ];
        };
      };
      expected = [ ];
    };
    nothing-left-is-the-home = {
      actual = problems {
        "/p" = storage {
          removePrefixDirectory = true;
          directories = [ (directory "a") ];
        };
      };
      expected = [
        "nothing is left of \"a\" once removePrefixDirectory has dropped its first component: it would be the home itself"
      ];
    };
    similar-names-are-different = {
      actual = problems {
        "/p" = storage {
          directories = map directory [
            ".logseq"
            "logseq"
            ".config/gtk-3.0"
            ".config/gtk-30"
          ];
        };
      };
      expected = [ ];
    };
    redundant-directories-are-no-problem = {
      actual = problems {
        "/p" = storage {
          directories = map directory [
            "a/b/c"
            "a"
          ];
        };
      };
      expected = [ ];
    };
  };
  failed = builtins.filter (name: tests.${name}.actual != tests.${name}.expected) (
    builtins.attrNames tests
  );
in
map (name: { inherit name; } // tests.${name}) failed
