# The package, for callPackage. Node's packages come from a fixed-output derivation: package-lock.json holds no addresses, which is what
# nixpkgs' own builders would need; `npm run nix:hash` renews the hashes after every change of the lock file.
{
  lib,
  stdenv,
  nodejs,
  cacert,
  autoPatchelfHook,
  makeWrapper,
}:
let
  manifest = builtins.fromJSON (builtins.readFile ../package.json);
  hashes = builtins.fromJSON (builtins.readFile ./node-modules-hashes.json);
  inherit (stdenv.hostPlatform) system;

  # Only what the build reads, so that a change of the documentation builds nothing anew.
  src = lib.cleanSourceWith {
    src = ../.;
    filter =
      path: _:
      let
        top = builtins.head (
          builtins.filter (part: builtins.isString part && part != "") (
            builtins.split "/" (lib.removePrefix (toString ../.) (toString path))
          )
        );
      in
      builtins.elem top [
        "LICENSE"
        "bin"
        "package.json"
        "src"
        "tsconfig.build.json"
        "tsconfig.json"
      ];
  };

  nodeModules = stdenv.mkDerivation {
    pname = "hmpersist-node-modules";
    inherit (manifest) version;
    src = lib.cleanSourceWith {
      src = ../.;
      filter =
        path: _:
        builtins.elem (baseNameOf path) [
          "package.json"
          "package-lock.json"
        ];
    };
    nativeBuildInputs = [
      cacert
      nodejs
    ];
    buildPhase = ''
      bash ${./node-modules.sh} . "$out" --os=linux --cpu=${
        if stdenv.hostPlatform.isAarch64 then "arm64" else "x64"
      } --libc=glibc
    '';
    dontInstall = true;
    # Patching would put store paths into the output, which a fixed output may not hold.
    dontFixup = true;
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = hashes.${system} or (throw "hmpersist: no hash of node_modules for ${system}");
  };
in
stdenv.mkDerivation {
  pname = "hmpersist";
  inherit (manifest) version;
  inherit src;

  nativeBuildInputs = [
    autoPatchelfHook
    makeWrapper
    nodejs
  ];
  # koffi.node needs libstdc++.
  buildInputs = [ stdenv.cc.cc.lib ];

  buildPhase = ''
    runHook preBuild
    cp -r ${nodeModules} node_modules
    chmod -R u+w node_modules
    node node_modules/typescript/bin/tsc -p tsconfig.build.json
    rm -rf node_modules/typescript node_modules/@typescript node_modules/@types node_modules/.bin
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    mkdir -p $out/bin $out/lib/hmpersist/bin
    cp bin/hmpersist.js $out/lib/hmpersist/bin/
    cp -r dist node_modules package.json $out/lib/hmpersist/
    makeWrapper ${nodejs}/bin/node $out/bin/hmpersist --add-flags $out/lib/hmpersist/bin/hmpersist.js
    runHook postInstall
  '';

  meta = {
    inherit (manifest) description;
    license = lib.licenses.mit;
    mainProgram = "hmpersist";
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
    ];
    sourceProvenance = [
      lib.sourceTypes.fromSource
      lib.sourceTypes.binaryNativeCode
    ];
  };
}
