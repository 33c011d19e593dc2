import { toShown } from '../config/diff-config.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { type Command, CommandError, type CommandOption, requiredArgument } from './command.ts';
import { loadAnyConfig } from './config-source.ts';
import { storeOption } from './open-stores.ts';
import { createStyle } from './style.ts';
import { renderFields, renderTable } from './table.ts';

/** Where commands that look at a configuration find it. */
export const sourceOptions: Readonly<Record<string, CommandOption>> = {
  ...storeOption,
  config: { type: 'string', short: 'c', value: 'file', help: 'a configuration file, instead of a store' },
};

/** A part of the configuration with named entries. */
export interface NamedSection {
  readonly section: 'profiles' | 'models' | 'providers';
  /** What one entry is called. */
  readonly noun: string;
  /** Titles of the columns after the name. */
  readonly head: readonly string[];
  /** Their values. The entry is as written: defaults are not filled in. */
  toCells(entry: Entry, name: string, config: GatewayConfig): readonly (string | undefined)[];
}

/** An entry as written, before any check. */
export type Entry = Readonly<Record<string, unknown>>;

/** A part as an entry; an empty one if it has another form, which is for `check` to report. */
export function toEntry(value: unknown): Entry {
  return typeof value === 'object' && value !== null ? (value as Entry) : {};
}

/** The two commands that look at a section: list all entries, show one. Secrets are never shown. */
export function createSectionCommands({ section, noun, head, toCells }: NamedSection): readonly Command[] {
  const details = [
    'Looks into the store, or else for headgate.config.{ts,mts,js,mjs,cjs,json,yaml,yml} in the current directory, then',
    'at the environment. Shows what is written there; defaults are not filled in.',
  ].join('\n');
  const entriesOf = (config: GatewayConfig) => Object.entries(toEntry(config[section]));
  const list: Command = {
    name: `${section} list`,
    summary: `list the ${section} of a configuration`,
    details,
    options: sourceOptions,
    async run(values, io) {
      const { config, source } = await loadAnyConfig(values, io);
      const entries = entriesOf(config);
      if (values.json === true) {
        const shown = entries.map(([name, entry]) => [name, toShown(entry, [section, name])]);
        io.stdout.write(`${JSON.stringify({ source, [section]: Object.fromEntries(shown) })}\n`);
      } else if (entries.length === 0) {
        io.stdout.write(`There are no ${section} in ${source}.\n`);
      } else {
        const rows = entries.map(([name, entry]) => [name, ...toCells(toEntry(entry), name, config)]);
        io.stdout.write(renderTable(['NAME', ...head], rows, createStyle(io.stdout, io.environment)));
      }
      return 0;
    },
  };
  const show: Command = {
    name: `${section} show`,
    summary: `show one of the ${section} of a configuration`,
    details,
    argument: { name: noun, help: 'its name' },
    options: sourceOptions,
    async run(values, io) {
      const name = requiredArgument(values, noun);
      const { config, source } = await loadAnyConfig(values, io);
      const found = entriesOf(config).find(([known]) => known === name);
      if (!found) {
        const names = entriesOf(config).map(([known]) => known);
        throw new CommandError(
          `There is no ${noun} ${JSON.stringify(name)} in ${source}. There are: ${names.join(', ') || 'none'}.`,
        );
      }
      const entry = toShown(found[1], [section, name]);
      if (values.json === true) io.stdout.write(`${JSON.stringify({ source, name, entry })}\n`);
      else io.stdout.write(renderFields({ name, ...(entry as object) }));
      return 0;
    },
  };
  return [list, show];
}

/** The items of a list; undefined if it is none. */
export function toList(value: unknown, toText: (item: unknown) => string = String): string | undefined {
  return Array.isArray(value) ? value.map(toText).join(', ') : undefined;
}
