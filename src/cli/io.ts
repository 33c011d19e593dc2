/** A stream that text goes to. */
export interface TextOutput {
  write(text: string): void;
  /** Whether a person reads along; decides about colours. */
  readonly isTTY?: boolean;
}

/** Everything that a command touches of its process, so that commands also run without one. */
export interface Io {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly environment: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** All of standard input. */
  readStdin(): Promise<string>;
  /** Calls `action` at every such signal; the returned function stops that. */
  onSignal(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP', action: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

const maxStdinBytes = 65_536;

/** The process itself. */
export function createProcessIo(): Io {
  // whoever read our output is gone, or the log's disk is full: that is no reason to stop serving
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // a result that could not be written must not look as if it was
    if (error.code !== 'EPIPE') throw error;
  });
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    cwd: process.cwd(),
    async readStdin() {
      let text = '';
      for await (const chunk of process.stdin.setEncoding('utf8')) {
        text += chunk;
        if (text.length > maxStdinBytes) throw new TypeError('Standard input is longer than 64 KiB.');
      }
      return text;
    },
    onSignal(signal, action) {
      process.on(signal, action);
      return () => process.off(signal, action);
    },
    exit: (code) => process.exit(code),
  };
}
