// Lines for people to paste into a shell.

/** `text` as one word of a shell's command line. */
export const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`);
