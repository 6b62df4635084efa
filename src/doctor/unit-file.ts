// What a unit file starts, as far as files go: systemd.service(5), "Command lines".

/** The absolute paths in ExecStart=, with %u, %U and %h put in; words with other specifiers or variables are left out. */
export function pathsOf(text: string, user: { readonly user: string; readonly uid: number; readonly home: string }): string[] {
  const command = /^ExecStart=[-@:+!]*(.*)$/m.exec(text)?.[1] ?? "";
  const values: Readonly<Record<string, string>> = { u: user.user, U: String(user.uid), h: user.home, "%": "%" };
  return [...command.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].flatMap(([, quoted, plain]) => {
    const written =
      plain ??
      (quoted ?? "").replaceAll(/\\x([0-9a-f]{2})|\\(.)/g, (_, hex: string | undefined, char: string) =>
        hex === undefined ? char : String.fromCharCode(Number.parseInt(hex, 16)),
      );
    const known = written.replaceAll(/%(.)/g, (whole, letter: string) => values[letter] ?? whole).replaceAll("$$", "\0");
    const isMeant = known.startsWith("/") && !known.includes("$") && !/%[^uUh%]/.test(written);
    return isMeant ? [known.replaceAll("\0", "$")] : [];
  });
}
