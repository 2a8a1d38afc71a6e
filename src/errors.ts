/**
 * An input that cannot be used: an option, a file, a shape, a device that is not there.
 *
 * Its message is one sentence that names what was wrong, what was expected and what was found. The command line
 * prints that sentence alone on stderr and exits with status 1; any other error is a fault of the program's own
 * and keeps its stack trace.
 */
export class InputError extends Error {
  override name = 'InputError';
}

/** A result that would hold an infinity or a NaN, and so is none: of a training step, or of an evaluation. */
export class NoResultError extends InputError {
  override name = 'NoResultError';
}
