/**
 * What a benchmark writes: a line for each number, and pauses in which its memory is looked at.
 *
 * ```text
 * 123.4          nanoseconds for one round
 * reached 2000   a number with a name
 * pause before   goes on when it has read a line
 * ```
 */

/** What a program told. */
export interface Transcript {
  /** The numbers; the bare one has the name "ns". */
  readonly numbers: ReadonlyMap<string, number>;
  /** Resident bytes of its system at each pause. */
  readonly residentBytes: ReadonlyMap<string, number>;
  /** What it wrote to its standard error. */
  readonly notes: string;
}

/** The reader of one program's output. */
export class Listener {
  readonly #numbers = new Map<string, number>();
  readonly #residentBytes = new Map<string, number>();
  readonly #measure: () => Promise<number>;
  #rest = "";

  /** `measure` tells the resident bytes of the system that the program runs in. */
  constructor(measure: () => Promise<number>) {
    this.#measure = measure;
  }

  /**
   * Takes a piece of output; what the program is to read now, mostly nothing.
   *
   * @throws at a line that is no number and no pause.
   */
  async hear(text: string): Promise<string> {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    let answer = "";
    for (const line of lines) {
      const words = line.split(" ");
      const [name = "", value = ""] = words.length === 1 ? ["ns", ...words] : words;
      if (name === "pause") {
        this.#residentBytes.set(value, await this.#measure());
        answer += "\n";
      } else if (words.length <= 2 && value !== "" && Number.isFinite(Number(value))) {
        this.#numbers.set(name, Number(value));
      } else {
        throw new Error(`the program wrote ${JSON.stringify(line)}`);
      }
    }
    return answer;
  }

  /**
   * All of it, once the program has ended.
   *
   * @throws when it failed.
   */
  end(program: string, status: number, notes: string): Transcript {
    if (status !== 0) {
      throw new Error(`${program} ended with status ${status}: ${notes.trim()}`);
    }
    return this.soFar(notes);
  }

  /** What it told until now. */
  soFar(notes: string): Transcript {
    return { numbers: this.#numbers, residentBytes: this.#residentBytes, notes: notes.trim() };
  }
}
