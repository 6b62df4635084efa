// Names are bytes: any byte but NUL and, in one component, "/". A CName ends in NUL and goes to the kernel unchanged; only what a
// person reads is ever decoded (`printable` in text.ts).

declare const cname: unique symbol;
/** Bytes ending in exactly one NUL. */
export type CName = Uint8Array & { readonly [cname]: true };

/** `name` with a NUL behind it. A string is encoded as UTF-8. Throws a TypeError on an inner NUL. */
export function cstr(name: string | Uint8Array): CName {
  const bytes = typeof name === "string" ? Buffer.from(name, "utf8") : name;
  if (bytes.includes(0)) throw new TypeError("a name cannot contain NUL");
  const out = Buffer.alloc(bytes.length + 1);
  out.set(bytes);
  return out as Uint8Array as CName;
}

/** The name as text, without its NUL; what of it is not UTF-8 is replaced. */
export const nameText = (name: CName): string => Buffer.from(name.subarray(0, -1)).toString("utf8");

/** The same in quotes, for the message of a failed call. */
export const quotedName = (name: CName): string => JSON.stringify(nameText(name));
