# Pure functions, builtins only: evaluates without nixpkgs. What a `home.persistence` comes to (entries), what is wrong with it
# (problems), the configuration file and the unit it becomes. Words and rules are those of src/config (`hmpersist config check`
# judges the rendered file); what is refused here is refused before anything is built.
let
  inherit (builtins)
    any
    attrNames
    concatLists
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    genList
    hasAttr
    isString
    length
    listToAttrs
    replaceStrings
    split
    stringLength
    substring
    tail
    toJSON
    ;

  imap = f: list: genList (index: f index (elemAt list index)) (length list);
  optional = condition: value: if condition then [ value ] else [ ];
  quote = toJSON;

  # "a//./b/" -> [ "a" "b" ]. ".." stays, to be refused.
  splitPath = path: filter (part: isString part && part != "" && part != ".") (split "/" path);
  joinPath = concatStringsSep "/";
  normalise = path: "/" + joinPath (splitPath path);

  # Both normalised; a path is not below itself.
  isBelow =
    parent: path:
    let
      prefix = if parent == "/" then "/" else parent + "/";
    in
    path != prefix && substring 0 (stringLength prefix) path == prefix;

  # "/a/b/c" -> [ "/a/b" "/a" ], nearest first, without the root.
  ancestors =
    path:
    let
      parts = splitPath path;
      count = length parts - 1;
    in
    if count < 1 then
      [ ]
    else
      genList (n: "/" + joinPath (genList (elemAt parts) (count - n))) count;

  # One command line of words that mean themselves. Not lib.escapeShellArgs: its text differs between releases.
  shellWords =
    words: concatStringsSep " " (map (word: "'${replaceStrings [ "'" ] [ "'\\''" ] word}'") words);

  problem = option: text: wayOut: { inherit option text wayOut; };
  message = { option, text, wayOut }: "${option}: ${text}. Way out: ${wayOut}.";

  # `home.persistence."/nix/dotfiles".directories, entry "Firefox/.mozilla"`
  nameStorage = key: "home.persistence.${quote key}";

  # [ ] or one { text, wayOut }.
  pathProblem =
    home: path:
    let
      parts = splitPath path;
      say = text: wayOut: [ { inherit text wayOut; } ];
    in
    if path == "" then
      say "an empty path" "name something in the home"
    else if replaceStrings [ "\n" "\t" "\r" ] [ "" "" "" ] path != path then
      say "a control character in a path" "rename the file or directory, then name it here"
    else if substring 0 1 path == "/" then
      say "an absolute path" (
        if isBelow home (normalise path) then
          "write it relative to the home: ${
            quote (substring (stringLength home + 1) (stringLength (normalise path)) (normalise path))
          }"
        else
          "write it relative to the home, without the leading slash"
      )
    else if path == "~" || substring 0 2 path == "~/" then
      say "\"~\" is not expanded" "write it relative to the home"
    else if elem ".." parts then
      say "\"..\" leads out of the storage" "write the path without it"
    else if parts == [ ] then
      say "names the home itself" "name something in the home"
    else
      [ ];

  enabledStorages =
    persistence:
    map (
      key:
      persistence.${key}
      // {
        inherit key;
        path = toString persistence.${key}.persistentStoragePath;
      }
    ) (filter (key: persistence.${key}.enable) (attrNames persistence));

  # Every entry of every enabled storage with where it comes from and goes to. `path` is as written; `target` is absolute, and
  # the home itself where nothing is left of the path. kind: "mount" | "link" (a directory by symlink) | "file".
  entries =
    { home, persistence }:
    let
      of =
        storage:
        let
          place =
            list: index: path: kind:
            let
              parts = splitPath path;
              kept = if storage.removePrefixDirectory && parts != [ ] then tail parts else parts;
            in
            {
              inherit
                kind
                path
                parts
                kept
                ;
              storage = storage.key;
              inherit (storage) allowOther removePrefixDirectory;
              option = "${nameStorage storage.key}.${list}, entry ${quote path}";
              source = normalise "${storage.path}/${joinPath parts}";
              target = normalise "${home}/${joinPath kept}";
            };
        in
        imap (
          index: entry:
          place "directories" index entry.directory (if entry.method == "symlink" then "link" else "mount")
        ) storage.directories
        ++ imap (index: entry: place "files" index entry.file "file") storage.files;
    in
    concatLists (map of (enabledStorages persistence));

  # The same place of the same storage: with the outer one in the home the inner one is there, too.
  isRedundant =
    outer: inner:
    inner.source
    == outer.source
    + substring (stringLength outer.target) (stringLength inner.target) inner.target;

  entryProblems =
    home: entry:
    let
      bad = pathProblem home entry.path;
    in
    if bad != [ ] then
      map (p: problem entry.option p.text p.wayOut) bad
    else if entry.kept == [ ] then
      [
        (problem entry.option
          "nothing is left of ${quote (joinPath entry.parts)} once removePrefixDirectory has dropped its first component: it would be the home itself"
          "put it into a directory of the storage, or list it in a storage without removePrefixDirectory"
        )
      ]
    else if
      entry.kind == "file" && substring (stringLength entry.path - 1) 1 entry.path == "/"
    then
      [ (problem entry.option "a file's path ends in a slash" "remove the slash, or list it under `directories`") ]
    else
      [ ];

  # First entry wins a target; the others are the problem.
  duplicateProblems =
    sound:
    concatLists (
      imap (
        index: entry:
        let
          before = filter (other: other.target == entry.target) (genList (elemAt sound) index);
          first = elemAt before 0;
        in
        optional (before != [ ]) (
          problem entry.option (
            if first.source == entry.source && first.kind == entry.kind then
              "listed twice: ${first.option} is the same"
            else
              "${entry.target} belongs to ${first.option} already"
          ) "remove one of them"
        )
      ) sound
    );

  nestingProblems =
    sound:
    let
      byTarget = listToAttrs (
        map (entry: {
          name = entry.target;
          value = entry;
        }) sound
      );
      check =
        inner:
        let
          outers = filter (path: hasAttr path byTarget) (ancestors inner.target);
          outer = byTarget.${elemAt outers 0};
          where = "${inner.target} is below ${outer.target}";
          redundant = isRedundant outer inner;
          say = text: wayOut: [ (problem inner.option text wayOut) ];
        in
        if outers == [ ] then
          [ ]
        else if outer.kind == "file" then
          say "${where}, which ${outer.option} lists as a file" "list that one under `directories`, or remove one of them"
        else if inner.kind == "file" && redundant then
          say "${where}, which ${outer.option} brings back whole" "remove this entry: the directory holds the file"
        else if redundant then
          [ ]
        else if outer.kind == "link" then
          say "${where}, which ${outer.option} makes a link: this would land in that storage" "give the outer directory method = \"fuse\""
        else if inner.kind == "file" then
          say "${where}, which ${outer.option} mounts: the link would land in that storage" "move the file into the storage of the directory and remove this entry"
        else if inner.kind == "link" then
          say "${where}, which ${outer.option} mounts: the link would land in that storage" "give this entry method = \"fuse\""
        else if !outer.allowOther then
          say "${where}, which ${outer.option} mounts without allowOther: the set-uid fusermount3 may not enter it" "set ${nameStorage outer.storage}.allowOther = true (needs user_allow_other in /etc/fuse.conf), or keep both directories in one storage"
        else
          [ ];
    in
    concatLists (map check sound);

  storageProblems =
    { home, persistence, ... }:
    concatLists (
      map (
        storage:
        let
          parts = splitPath storage.path;
          option = "${nameStorage storage.key}.persistentStoragePath";
        in
        if substring 0 1 storage.path != "/" then
          [ (problem option "${quote storage.path} is not an absolute path" "write it from the root") ]
        else if elem ".." parts then
          [ (problem option "\"..\" in a path" "write the path without it") ]
        else if parts == [ ] then
          [ (problem option "the root directory" "name a directory below it") ]
        else
          optional (normalise storage.path == home) (
            problem option "the storage is the home itself" "keep the storage outside of the home"
          )
      ) (enabledStorages persistence)
    );

  hidingProblems =
    { persistence, ... }:
    sound:
    concatLists (
      map (
        storage:
        let
          path = normalise storage.path;
        in
        concatLists (
          map (
            entry:
            optional (entry.kind != "file" && (path == entry.target || isBelow entry.target path)) (
              problem entry.option "${entry.target} would hide the storage ${path}" "keep the storage outside of what is brought back"
            )
          ) sound
        )
      ) (enabledStorages persistence)
    );

  ownerProblems =
    { username, persistence, ... }:
    let
      check =
        storage: option: owner:
        optional (owner != null && owner != username) (
          problem option "${quote owner} is another user than ${quote username}" "remove the option: everything belongs to the user hmpersist runs as"
        );
    in
    concatLists (
      map (
        storage:
        concatLists (
          map (
            entry:
            check storage "${nameStorage storage.key}.directories, entry ${quote entry.directory}, user" entry.user
          ) storage.directories
          ++ map (
            entry:
            check storage "${nameStorage storage.key}.files, entry ${quote entry.file}, parentDirectory.user" entry.parentDirectory.user
          ) storage.files
        )
      ) (enabledStorages persistence)
    );

  # One problem for the storage where its default is meant, else one for each entry.
  methodProblems =
    { username, persistence, ... }:
    let
      say =
        option:
        problem option "a bind mount needs root, which ${quote username} is not" "use \"fuse\", or \"symlink\"";
      check =
        storage:
        let
          binds = filter (entry: entry.method == "bind") storage.directories;
        in
        if binds != [ ] && storage.defaultDirectoryMethod == "bind" then
          [ (say "${nameStorage storage.key}.defaultDirectoryMethod") ]
        else
          map (
            entry: say "${nameStorage storage.key}.directories, entry ${quote entry.directory}, method"
          ) binds;
    in
    if username == "root" then [ ] else concatLists (map check (enabledStorages persistence));

  # unitDirectory: where Home Manager writes the unit that starts all this, and below it the link by which systemd starts it; null
  # if the unit lies outside the home.
  unitProblems =
    { unitDirectory, ... }:
    sound:
    let
      wants = "${unitDirectory}/paths.target.wants";
    in
    if unitDirectory == null then
      [ ]
    else
      concatLists (
        map (
          entry:
          optional (entry.kind != "file" && (entry.target == wants || isBelow entry.target wants)) (
            problem entry.option
              "${entry.target} holds the link by which systemd starts hmpersist (${wants}/hmpersist.service): after a reboot nothing would"
              "list the directories below ${entry.target} that you need, or have the unit outside the home (programs.hmpersist.enable in NixOS, or `hmpersist service install --system`) and set programs.hmpersist.service.enable = false"
          )
        ) sound
      );

  # homeFiles: { name, target } of `home.file`, the target relative to the home. Those below a persisted directory are fine: they
  # are written through the mount. The store links of the unit itself and the like never get here, since they are no entry's target.
  # mkForce: what `xdg.configFile` and its like write has both options set already.
  homeFileProblems =
    { home, homeFiles, ... }:
    sound:
    concatLists (
      map (
        file:
        let
          path = normalise "${home}/${file.target}";
          option = "home.file.${quote file.name}";
        in
        concatLists (
          map (
            entry:
            if entry.target == path then
              [
                (problem entry.option "${option} writes the same path: one would replace the other without a word" "remove one of them, or set ${option}.enable = lib.mkForce false")
              ]
            else
              optional (isBelow path entry.target) (
                problem entry.option "${entry.target} is below ${path}, which ${option} makes a link into the store" "set ${option}.recursive = lib.mkForce true, or remove one of them"
              )
          ) sound
        )
      ) homeFiles
    );

  # userAllowOther: what NixOS says, null where nobody can know (standalone): then the daemon finds out and refuses the entries.
  allowOtherProblems =
    { userAllowOther, persistence, ... }:
    if userAllowOther != false then
      [ ]
    else
      concatLists (
        map (
          storage:
          optional storage.allowOther (
            problem "${nameStorage storage.key}.allowOther" "programs.fuse.userAllowOther is false, so fusermount3 would refuse the mounts" "set programs.fuse.userAllowOther = true in the NixOS configuration, or remove allowOther"
          )
        ) (enabledStorages persistence)
      );

  /*
    Every problem of a configuration, as { option, text, wayOut }.
    facts: { home, username, persistence, homeFiles, unitDirectory, userAllowOther }, `persistence` with every default filled in.
  */
  problems =
    facts:
    let
      found = map (entry: entry // { problems = entryProblems facts.home entry; }) (entries {
        inherit (facts) home persistence;
      });
      sound = filter (entry: entry.problems == [ ]) found;
      # Keeps what is compared below free of second owners: they are reported already.
      unique = foldl' (
        kept: entry: if any (other: other.target == entry.target) kept then kept else kept ++ [ entry ]
      ) [ ] sound;
    in
    storageProblems facts
    ++ concatLists (map (entry: entry.problems) found)
    ++ duplicateProblems sound
    ++ nestingProblems unique
    ++ hidingProblems facts unique
    ++ ownerProblems facts
    ++ methodProblems facts
    ++ unitProblems facts unique
    ++ homeFileProblems facts unique
    ++ allowOtherProblems facts;

  withoutNulls =
    set:
    listToAttrs (
      map (name: {
        inherit name;
        value = set.${name};
      }) (filter (name: set.${name} != null) (attrNames set))
    );

  # "bindfs" is the old word.
  methodName = method: if method == "bindfs" then "fuse" else method;

  renderDirectory =
    storage: entry:
    let
      rest = withoutNulls {
        method =
          if methodName entry.method == methodName storage.defaultDirectoryMethod then
            null
          else
            methodName entry.method;
        onNonEmpty = if entry.onNonEmpty == "refuse" then null else entry.onNonEmpty;
        inherit (entry)
          mode
          cache
          hideMount
          allowTrash
          group
          ;
      };
    in
    if rest == { } then entry.directory else { inherit (entry) directory; } // rest;

  renderFile =
    entry:
    let
      parent = withoutNulls { inherit (entry.parentDirectory) mode group; };
      rest = withoutNulls {
        onConflict = if entry.onConflict == "refuse" then null else entry.onConflict;
        parentDirectory = if parent == { } then null else parent;
      };
    in
    if rest == { } then entry.file else { inherit (entry) file; } // rest;

  renderStorage =
    storage:
    {
      inherit (storage) removePrefixDirectory allowOther;
      directories = map (renderDirectory storage) storage.directories;
      files = map renderFile storage.files;
    }
    // withoutNulls {
      persistentStoragePath = if storage.path == storage.key then null else storage.path;
      defaultDirectoryMethod =
        if methodName storage.defaultDirectoryMethod == "fuse" then null else storage.defaultDirectoryMethod;
      cache = if storage.cache == "shared" then null else storage.cache;
      mode = if storage.mode == "0700" then null else storage.mode;
      hideMounts = if storage.hideMounts then true else null;
      allowTrash = if storage.allowTrash then true else null;
    };

  # The configuration file, as a set for builtins.toJSON. Defaults are left out, so that a file reads like what was written.
  render =
    {
      home,
      persistence,
      engine ? "auto",
      ignore ? [ ],
    }:
    {
      inherit home;
      persistence = listToAttrs (
        map (storage: {
          name = storage.key;
          value = renderStorage storage;
        }) (enabledStorages persistence)
      );
    }
    // (if engine == "auto" then { } else { inherit engine; })
    // (if ignore == [ ] then { } else { ephemeral = { inherit ignore; }; });

  /*
    hmpersist.service; src/service/unit.ts writes the same where there is no Nix, and says why each line is there.
    execute: the program, absolute. config: the file, absolute.
  */
  unit =
    {
      execute,
      config,
      condition ? null,
    }:
    {
      Unit = {
        Description = "Persisted directories and files of this home (hmpersist)";
        DefaultDependencies = false;
        Conflicts = [ "shutdown.target" ];
        Before = [
          "basic.target"
          "default.target"
          "paths.target"
          "sockets.target"
          "timers.target"
          "shutdown.target"
        ];
        StartLimitIntervalSec = 0;
        X-RestartIfChanged = false;
        X-SwitchMethod = "keep-old";
      }
      // (if condition == null then { } else { ConditionPathExists = condition; });
      Service = {
        Type = "notify";
        ExecStart = "${execute} mount --foreground --config ${config}";
        ExecReload = "${execute} apply --config ${config}";
        ExecStopPost = "-${execute} unmount --leftovers";
        KillMode = "mixed";
        Restart = "on-failure";
        RestartSec = "1s";
        TimeoutStartSec = "30s";
        TimeoutStopSec = "30s";
        WatchdogSec = "60s";
        LimitNOFILE = 524288;
        # One thread for each storage that hangs.
        Environment = "UV_THREADPOOL_SIZE=32";
        FileDescriptorStoreMax = 4096;
      };
      Install.WantedBy = [ "paths.target" ];
    };
  /*
    Home Manager's activation, as shell. Home Manager's PATH holds nothing of the system, and a boot sets no XDG_RUNTIME_DIR.

    mount: before anything looks at the home, so that what Home Manager finds and writes is what lies in storage. A running daemon
    takes the new configuration over at once and is not restarted. Without one (exit code 5: the boot of NixOS before login, the
    first switch) everything is mounted for the length of this activation only: what an activation leaves running belongs to the
    cgroup of Home Manager's system service and would be killed with it.
    handOver: to the user manager, if there is one; otherwise the mounts stay until the activation ends. The service is started at
    once, before Home Manager starts what is new and would write to a bare home. No daemon-reload: it would have what Home Manager
    stops next stopped by the new units. systemd reads a unit it does not know from disk; one it knows may name the configuration of
    the last generation, so apply. Whatever fails here is done, or told, by start, after Home Manager has reloaded.
    bootstrap: where to put a copy of the configuration.
  */
  activation =
    {
      execute,
      config,
      systemctl,
      bootstrap,
    }:
    let
      run = command: shellWords ([ execute ] ++ command);
      withConfig =
        command:
        run (
          command
          ++ [
            "--config"
            config
          ]
        );
      runtimeDirectory = "\${XDG_RUNTIME_DIR:-/run/user/$UID}";
      startService = ''env XDG_RUNTIME_DIR="${runtimeDirectory}" ${shellWords [ systemctl ]} --user start hmpersist.service'';
      new = bootstrap + ".new";
    in
    {
      mount = ''
        function hmpersistRelease() {
          if [[ -v hmpersistTemporary ]]; then
            unset hmpersistTemporary
            ${run [ "unmount" "--lazy" ]} >/dev/null || true
          fi
        }

        if [[ -v DRY_RUN ]]; then
          echo "hmpersist: a live run would mount and link before the files are checked:"
          ${withConfig [ "plan" ]} || true
        else
          hmpersistStatus=0
          hmpersistDaemon=0
          ${run [ "status" ]} >/dev/null 2>&1 || hmpersistDaemon=$?
          if (( hmpersistDaemon == 5 )); then
            eval "hmpersistTrap=($(trap -p EXIT))"
            hmpersistTemporary=1
            trap 'hmpersistRelease; eval "''${hmpersistTrap[2]:-}"' EXIT
            ${withConfig [ "mount" ]} || hmpersistStatus=$?
          else
            ${withConfig [ "apply" ]} || hmpersistStatus=$?
          fi
          if (( hmpersistStatus != 0 )); then
            echo "hmpersist: not everything is in place (exit code $hmpersistStatus), see above and 'hmpersist status'" >&2
          fi
          unset hmpersistStatus hmpersistDaemon
        fi
      '';

      handOver = ''
        if [[ -v hmpersistTemporary && -S "${runtimeDirectory}/systemd/private" ]]; then
          hmpersistRelease
          { ${startService} && ${withConfig [ "apply" ]}; } >/dev/null 2>&1 || true
        fi
      '';

      start = ''
        if [[ -S "${runtimeDirectory}/systemd/private" ]]; then
          $DRY_RUN_CMD ${startService} \
            || echo "hmpersist: hmpersist.service did not start, see 'systemctl --user status hmpersist'" >&2
        fi
      '';

      bootstrap = ''
        $DRY_RUN_CMD install -D -m 0600 ${
          shellWords [
            config
            new
          ]
        }
        $DRY_RUN_CMD mv -f ${
          shellWords [
            new
            bootstrap
          ]
        }
      '';
    };

in
{
  inherit
    activation
    splitPath
    normalise
    isBelow
    ancestors
    pathProblem
    entries
    problems
    message
    render
    shellWords
    unit
    ;
}
