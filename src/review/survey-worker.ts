// The worker's entry: one survey, its progress as messages, then its result.
import { parentPort, workerData } from "node:worker_threads";
import { HmpersistError } from "../errors.ts";
import { raiseNofile } from "../sys/rlimit.ts";
import { survey, type SurveyRequest } from "./survey.ts";

// A deep tree takes a descriptor a level.
raiseNofile();
try {
  const result = survey(workerData as SurveyRequest, (progress) => parentPort?.postMessage({ progress }));
  parentPort?.postMessage({ result });
} catch (error) {
  // An error crosses the thread without its class.
  const known = error instanceof HmpersistError ? { code: error.code, hint: error.hint } : undefined;
  parentPort?.postMessage({ failed: { message: error instanceof Error ? error.message : String(error), known } });
}
