/**
 * One step on the way to the schema that a release needs.
 *
 * A released step is never changed, renamed, moved or removed; a new one is appended. A step only adds: tables,
 * indexes, columns that may be null or have a default. So the previous release, which names the columns it reads and
 * writes, goes on working beside it. What a release no longer uses may be removed one release later, by a step with a
 * higher `generation`: every release with a lower one refuses the schema from then on instead of damaging it.
 */
export interface MigrationStep {
  /** Unique and permanent; recorded when the step is done. */
  readonly name: string;
  /** 1 for the first steps; never smaller than that of the step before. */
  readonly generation: number;
  /** Run in this order, all in one transaction. */
  readonly statements: readonly string[];
}

/** What a database says about its schema. */
export interface SchemaState {
  /** Names of the steps that were done, including those of later releases. */
  readonly done: ReadonlySet<string>;
  /** The highest generation of the steps that were done, 0 for none. */
  readonly generation: number;
}

/** The highest generation that these steps know. */
export function generationOf(steps: readonly MigrationStep[]): number {
  return steps.reduce((highest, step) => Math.max(highest, step.generation), 0);
}

/**
 * The pending steps, in order. Steps that this release does not know are ignored as long as it knows the generation.
 *
 * @throws Error when the schema was made by a release that this one cannot run beside
 */
export function pendingSteps(steps: readonly MigrationStep[], state: SchemaState): readonly MigrationStep[] {
  const known = generationOf(steps);
  if (state.generation > known) {
    throw new Error(newerGeneration(state.generation, known));
  }
  return steps.filter((step) => !state.done.has(step.name));
}

/** Why a schema made by a newer release is refused. */
export function newerGeneration(stored: number, known: number): string {
  return `the schema is of generation ${stored}, and this release of Headgate knows none above ${known}; it was left as it is: use a newer release.`;
}
