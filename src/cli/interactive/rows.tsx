// The list: as many rows as fit, around the cursor. Names are shown escaped.
import { Box, Text } from "ink";
import type { ReactElement } from "react";
import { formatAge, formatBytes } from "../../format.ts";
import type { EphemeralGroup } from "../../review/ephemeral.ts";
import { printable } from "../../sys/text.ts";
import { fit } from "../output.ts";
import { current, markOf, type Mark, type State } from "./model.ts";

const MARKS: Record<Mark, { readonly sign: string; readonly colour: string }> = {
  persist: { sign: "+", colour: "green" },
  ignore: { sign: "-", colour: "gray" },
  later: { sign: "?", colour: "yellow" },
};

// Where there is room for more than sizes and names.
const WIDE = 64;

export function Rows({ state, height, width }: { readonly state: State; readonly height: number; readonly width: number }): ReactElement {
  const { groups, cursor, path } = current(state);
  const first = Math.max(0, Math.min(cursor - Math.floor(height / 2), groups.length - height));
  return (
    <Box flexDirection="column" height={height}>
      {groups.slice(first, first + height).map((group, index) => (
        <Row
          key={`${group.path}:${group.type}`}
          group={group}
          below={path}
          held={markOf(state, group.path)}
          here={first + index === cursor}
          width={width}
        />
      ))}
    </Box>
  );
}

interface RowProps {
  readonly group: EphemeralGroup;
  readonly below: string;
  readonly held: { readonly mark: Mark; readonly inherited: boolean } | undefined;
  readonly here: boolean;
  readonly width: number;
}

function Row({ group, below, held, here, width }: RowProps): ReactElement {
  const mark = held === undefined ? undefined : MARKS[held.mark];
  const size = formatBytes(group.bytes).padStart(8);
  const age = width >= WIDE ? ` ${formatAge(Date.now() - group.newest * 1000).padStart(4)} ` : " ";
  const program = width >= WIDE && group.program !== null ? `  ${printable(group.program)}` : "";
  const room = Math.max(4, width - 2 - size.length - age.length - 1 - program.length);
  const name = fit(nameIn(group, below), room, "middle");
  const colour = mark?.colour ?? (group.type === "directory" ? "cyan" : undefined);
  return (
    <Text inverse={here} wrap="truncate">
      <Text color={mark?.colour ?? ""} bold={held?.inherited === false}>
        {mark?.sign ?? " "}{" "}
      </Text>
      {size}
      <Text dimColor>{age}</Text>
      <Text {...(colour === undefined ? {} : { color: colour })}>{name}</Text>
      <Text dimColor>{program}</Text>
    </Text>
  );
}

const SUFFIX = { directory: "/", file: "", link: "", others: " (others)" } as const;

const nameIn = (group: EphemeralGroup, below: string): string =>
  printable(below === "" ? group.path : group.path.slice(below.length + 1)) + SUFFIX[group.type];
