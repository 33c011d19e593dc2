const maxTries = 5;

/** Changes as an operator does whom a busy store has not answered in time: again. For what does no harm when it is done twice. */
export async function insist<Result>(change: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await change();
    } catch (error) {
      if (tries === maxTries) throw error;
    }
  }
}
