import { connect } from 'node:net';
import { createInterface } from 'node:readline';

// Stands for `headgate` in a shell: hands the call over to `command-server.ts` and shows what comes back.
const socket = connect(Number(process.env.COMMAND_SERVER_PORT), '127.0.0.1');
const send = (message: object) => socket.write(`${JSON.stringify(message)}\n`);
const { COMMAND_SERVER_PORT: _port, ...environment } = process.env;
send({ argv: process.argv.slice(2), cwd: process.cwd(), environment });
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => send({ signal }));

for await (const line of createInterface({ input: socket })) {
  const { stdout, stderr, wants, code } = JSON.parse(line);
  if (stdout !== undefined) process.stdout.write(stdout);
  if (stderr !== undefined) process.stderr.write(stderr);
  if (wants === 'stdin') send({ stdin: await readStdin() });
  if (code !== undefined) process.exitCode = code;
}
socket.destroy();

async function readStdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk;
  return text;
}
