/** A line of a caption, to be drawn above a figure whose upper edge is at 0. */
export interface CaptionLine {
  readonly text: string;
  readonly size: number;
  readonly weight: number;
  readonly y: number;
}

/** Characters of a line of text that fit, as wide as letters are on average in a sans-serif face. */
const fitting = (width: number, size: number): number => Math.floor(width / (0.56 * size));

/** A text in lines of so many characters at most, cut between words. */
function wrapped(text: string, most: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`;
    if (longer.length > most && lines.at(-1) !== '') lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** Title and note as they stand above a figure, in a text of this size, and the room they take. */
export function captionOf(
  { title, note }: { readonly title: string; readonly note: string },
  width: number,
  textSize: number,
): { readonly lines: readonly CaptionLine[]; readonly height: number } {
  const large = textSize + 3;
  const texts = [
    ...wrapped(title, fitting(width, large)).map((text) => ({ text, size: large, weight: 600 })),
    ...wrapped(note, fitting(width, textSize)).map((text) => ({ text, size: textSize, weight: 400 })),
  ];
  let height = 12;
  const lines = texts.toReversed().map((line) => {
    const y = -height;
    height += Math.round(1.5 * line.size);
    return { ...line, y };
  });
  return { lines: lines.toReversed(), height };
}
