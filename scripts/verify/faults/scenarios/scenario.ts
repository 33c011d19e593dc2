/** What came of a scenario. */
export interface ScenarioResult {
  /** What is not as expected. */
  readonly findings: readonly string[];
  /** Why it could not be run. */
  readonly skipped?: string | undefined;
  /** What was measured. */
  readonly figures?: readonly string[];
}

/** What goes wrong with more than one request. */
export interface Scenario {
  /** What happens and what is expected, as a sentence. */
  readonly title: string;
  /** Takes more than a second or much memory: run by `verify:faults`, and not by the tests. */
  readonly isHeavy?: boolean;
  run(): Promise<ScenarioResult>;
}
