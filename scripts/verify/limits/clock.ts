/** Milliseconds of the machine's monotonic clock, which is one for all processes. */
export function clockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
