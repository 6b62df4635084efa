// Runs a survey in a worker, so that the program stays awake for progress and Ctrl-C while the walk blocks its own thread.
import { Worker } from "node:worker_threads";
import { HmpersistError, type ErrorCode } from "../errors.ts";
import type { Progress, Survey, SurveyRequest } from "./survey.ts";

interface Message {
  readonly progress?: Progress;
  readonly result?: Survey;
  readonly failed?: { readonly message: string; readonly known?: { readonly code: ErrorCode; readonly hint: string | undefined } };
}

/** @throws HmpersistError: what the survey threw. An aborted one rejects with the signal's reason. */
export function runSurvey(request: SurveyRequest, progress?: (progress: Progress) => void, signal?: AbortSignal): Promise<Survey> {
  const worker = new Worker(new URL("./survey-worker.js", import.meta.url), { workerData: request, resourceLimits: { stackSizeMb: 16 } });
  return new Promise<Survey>((resolve, reject) => {
    const abort = (): void => {
      reject(signal?.reason as Error);
      void worker.terminate();
    };
    signal?.addEventListener("abort", abort, { once: true });
    worker.on("message", (message: Message) => {
      if (message.progress) progress?.(message.progress);
      if (message.result) resolve(message.result);
      if (message.failed) {
        const { message: text, known } = message.failed;
        reject(new HmpersistError(known?.code ?? "HMP_ENVIRONMENT", text, known?.hint));
      }
    });
    worker.on("error", reject);
    worker.on("exit", () => {
      signal?.removeEventListener("abort", abort);
      reject(new HmpersistError("HMP_INTERNAL", "the walk ended without a result"));
    });
  });
}
