/** A stream that text goes to. */
export interface TextOutput {
  write(text: string): void;
  /** Whether a person is reading; decides about colours. */
  readonly isTTY?: boolean;
}

/** All that a command uses of its process, so that commands can also run without one. */
export interface Io {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly environment: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** All of standard input. */
  readStdin(): Promise<string>;
  /** Calls `action` on every such signal; the returned function stops that. */
  onSignal(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP', action: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

const maxStdinBytes = 65_536;

/** The process itself. */
export function createProcessIo(): Io {
  // the reader of our output is gone, or the log's disk is full: that is no reason to stop serving
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // a result that could not be written must not look written
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
