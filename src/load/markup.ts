/** Markup that cannot be broken out of: what is put into a template is text, unless it is markup itself. */

/** Longest foreign text on a page. */
const SHOWN_CHARACTERS = 2000;

/** A piece of well-formed markup. */
export class Markup {
  readonly text: string;

  /** @param text markup that its maker vouches for */
  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template. */
export type Content = string | number | Markup | readonly Markup[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Markup of a template: strings are escaped, for text and for quoted attributes alike. */
export function markup(parts: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  return new Markup(parts.reduce((made, part, i) => made + textOf(contents[i - 1] as Content) + part));
}

/** Nothing. */
export const NOTHING = new Markup('');

function textOf(content: Content): string {
  if (content instanceof Markup) return content.text;
  if (typeof content === 'number') return String(Math.round(content * 100) / 100);
  if (typeof content === 'string') return escaped(content);
  return content.map(({ text }) => text).join('\n');
}

/** Also without what no document may hold, and what turns the direction of the text behind it. */
function escaped(text: string): string {
  const cut = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
  const plain = cut.toWellFormed().replace(/[\p{Cc}\p{Cf}\ufffe\uffff]+/gu, ' ');
  return plain.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}
