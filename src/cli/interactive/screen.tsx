// The whole screen: totals above, the list, what keys do below; at the end, what to do with the choice. Shows a state, changes nothing.
import { Box, Text, useStdout } from "ink";
import { useEffect, useState, useSyncExternalStore, type ReactElement } from "react";
import { formatBytes } from "../../format.ts";
import type { EphemeralReport } from "../../review/ephemeral.ts";
import { printable } from "../../sys/text.ts";
import { unread } from "../ephemeral-table.ts";
import { fit, screenSize } from "../output.ts";
import type { Controller } from "./controller.ts";
import { current, selected, totalsOf, type Mark, type State } from "./model.ts";
import { Rows } from "./rows.tsx";

// Where counts fit beside sizes.
const WIDE = 64;
// Three lines above the list, two below, and the one that a terminal would scroll for. What could not be read is told in one more.
const AROUND = 6;

export const listHeight = (rows: number, { unreadable }: EphemeralReport): number =>
  Math.max(1, rows - AROUND - (unreadable.count > 0 ? 1 : 0));

export interface ScreenProps {
  readonly controller: Controller;
  readonly report: EphemeralReport;
  readonly unwritable: string | undefined;
}

export function Screen({ controller, report, unwritable }: ScreenProps): ReactElement {
  const state = useSyncExternalStore(controller.subscribe, () => controller.state);
  const { columns, rows } = useSize();
  return (
    <Box flexDirection="column" width={columns} height={rows - 1}>
      <Header state={state} report={report} width={columns} />
      {state.screen === "list" ? (
        <>
          <Rows state={state} height={listHeight(rows, report)} width={columns} />
          <Footer state={state} width={columns} />
        </>
      ) : (
        <Finish state={state} unwritable={unwritable} />
      )}
    </Box>
  );
}

function useSize(): { columns: number; rows: number } {
  const { stdout } = useStdout();
  const [size, setSize] = useState(screenSize(stdout));
  useEffect(() => {
    const resize = (): void => setSize(screenSize(stdout));
    stdout.on("resize", resize);
    return () => void stdout.off("resize", resize);
  }, [stdout]);
  return size;
}

function Header({ state, report, width }: { state: State; report: EphemeralReport; width: number }): ReactElement {
  const total = report.groups.reduce((sum, group) => sum + group.bytes, 0);
  const told = (mark: Mark, word: string): string => {
    const { groups, bytes } = totalsOf(state, mark);
    return width >= WIDE ? `${word} ${groups} (${formatBytes(bytes)})` : `${word} ${formatBytes(bytes)}`;
  };
  const { path } = current(state);
  return (
    <Box flexDirection="column" flexShrink={0}>
      <Text bold wrap="truncate">
        {fit(`${formatBytes(total)} would be gone at reboot`, width)}
      </Text>
      {report.unreadable.count > 0 ? (
        <Text color="yellow" wrap="truncate">
          {fit(`${unread(report.unreadable.count)}: leave --interactive out to see which`, width)}
        </Text>
      ) : null}
      <Text wrap="truncate">
        <Text color="green">{told("persist", "keep")}</Text> <Text dimColor>{told("ignore", "ignore")}</Text>{" "}
        <Text color="yellow">{told("later", "later")}</Text>
      </Text>
      <Text color="cyan" wrap="truncate">
        {fit(path === "" ? "~" : `~/${printable(path)}`, width, "middle")}
      </Text>
    </Box>
  );
}

function Footer({ state, width }: { state: State; width: number }): ReactElement {
  const note = state.opening === undefined ? (state.message ?? selected(state)?.note ?? "") : `looking into ~/${printable(state.opening)}`;
  const keys = width >= 72 ? "p keep  i ignore  l later  right open  left back  f finish  q quit" : "p keep i ignore l later f finish";
  return (
    <>
      <Text color="yellow" wrap="truncate">
        {fit(printable(note), width)}
      </Text>
      <Text dimColor wrap="truncate">
        {fit(keys, width)}
      </Text>
    </>
  );
}

const OFFERS: readonly (readonly [key: string, what: string, writes: boolean])[] = [
  ["n", "print lines for Nix", false],
  ["j", "print lines for JSON", false],
  ["w", "write the configuration", true],
  ["a", "write, and adopt the data now", true],
  ["b", "back", false],
  ["q", "quit, forget all marks", false],
];

function Finish({ state, unwritable }: { state: State; unwritable: string | undefined }): ReactElement {
  const { groups } = totalsOf(state, "persist");
  return (
    <Box flexDirection="column">
      <Text wrap="truncate">{groups === 0 ? "nothing is marked" : `${groups} marked to be kept`}</Text>
      {OFFERS.map(([key, what, writes]) => (
        <Text key={key} dimColor={writes && unwritable !== undefined} wrap="truncate">
          <Text bold>{key}</Text> {what}
        </Text>
      ))}
      {unwritable === undefined ? null : <Text color="yellow">({printable(unwritable)})</Text>}
    </Box>
  );
}
