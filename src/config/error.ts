/** What is wrong with a configuration: every mistake at once, each a sentence that says where. */

/** A configuration, model.yaml or manifest that cannot be used. The process ends with 78 (EX_CONFIG). */
export class ConfigError extends Error {
  /** One line each: where, what was expected, what was found. */
  readonly mistakes: readonly string[];
  readonly exitCode = 78;

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'));
    this.name = 'ConfigError';
    this.mistakes = mistakes;
  }
}
