/**
 * One step on the way to the schema that a release needs.
 *
 * A step that was released is never changed, renamed, moved or removed; a new one is appended. A step only adds: tables,
 * indexes, columns that may be null or have a default. So the release before, which names the columns that it reads and
 * writes, goes on working beside. What a release no longer uses may be taken away one release later, by a step with a
 * higher `generation`: every release with a lower one refuses the schema from then on instead of damaging it.
 */
export interface MigrationStep {
  /** Unique and for ever; what is recorded when the step is done. */
  readonly name: string;
  /** 1 for the first steps; never smaller than that of the step before. */
  readonly generation: number;
  /** Run in this order, all in one transaction. */
  readonly statements: readonly string[];
}

/** What a database says of its schema. */
export interface SchemaState {
  /** Names of the steps that were done, those of later releases among them. */
  readonly done: ReadonlySet<string>;
  /** The highest generation of the steps that were done, 0 for none. */
  readonly generation: number;
}

/** The highest generation that these steps know. */
export function generationOf(steps: readonly MigrationStep[]): number {
  return steps.reduce((highest, step) => Math.max(highest, step.generation), 0);
}

/**
 * The steps that are still to do, in their order. Steps that this release does not know are of no concern while the
 * generation is one that it knows.
 *
 * @throws Error when the schema was made by a release that this one cannot work beside
 */
export function pendingSteps(steps: readonly MigrationStep[], state: SchemaState): readonly MigrationStep[] {
  const known = generationOf(steps);
  if (state.generation > known) {
    throw new Error(newerGeneration(state.generation, known));
  }
  return steps.filter((step) => !state.done.has(step.name));
}

/** Why a schema is refused that a newer release has made. */
export function newerGeneration(stored: number, known: number): string {
  return `the schema is of generation ${stored}, and this release of Headgate knows none above ${known}; it was left as it is: use a newer release.`;
}
