// Where elements stand in a text of XML, so that a piece of somebody else's document can be put in its place while all around it stays
// as it was to the letter.
import sax, { type QualifiedTag, type SAXParser } from 'sax';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { xmlLimits } from './xml-element.ts';

export interface ElementPlace {
  /** Of its `<`. */
  readonly start: number;
  /** Behind its last `>`. */
  readonly end: number;
}

const placesMax = 10_000;

/** Of the elements at `path`, such as `domain/devices/disk`, in their order. Elements with a prefix are at no path. */
export function elementPlaces(text: string, path: string): Result<readonly ElementPlace[]> {
  if (text.length > xmlLimits.characters) return unreadable('it is too long');
  const open: string[] = [];
  const places: ElementPlace[] = [];
  let start = 0;
  const reader = sax.parser(true, { xmlns: true });
  const handlers: Partial<SAXParser> = {
    onerror(thrown) {
      throw thrown;
    },
    ondoctype() {
      throw new Error('it declares a document type');
    },
    onopentag(tag) {
      if (open.length >= xmlLimits.depth) throw new Error(`it is nested deeper than ${xmlLimits.depth}`);
      open.push((tag as QualifiedTag).name);
      // sax counts from the character after the bracket.
      if (open.join('/') === path) start = reader.startTagPosition - 1;
    },
    onclosetag() {
      if (open.join('/') === path) places.push({ start, end: reader.position });
      if (places.length > placesMax) throw new Error(`it has more than ${placesMax} of ${path}`);
      open.pop();
    },
  };
  Object.assign(reader, handlers);
  try {
    reader.write(text).close();
  } catch (thrown) {
    return unreadable(causeOf(thrown).split('\n')[0]?.slice(0, 200) ?? '');
  }
  return ok(places);
}

function unreadable(why: string): Result<never> {
  return fail(problem('unreadable', `An XML document cannot be read: ${why}.`));
}
