import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((path) =>
  path.endsWith('.md'),
);

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '');

/** The anchors GitHub gives a page's headings. */
const anchors = (text: string): string[] =>
  [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

const squeeze = (code: string): string => code.replace(/\s+/g, ' ').trim();

/** Quotes of a page that are not in the file that their fence names, or whose file the text above does not name. */
function misquoted(text: string): string[] {
  return [...text.matchAll(/^```(?:wgsl|ts) (\S+)\n([\s\S]*?)^```/gm)].flatMap(
    ({ 1: path, 2: code, index }) => {
      const file = join(root, path!);
      const isThere = existsSync(file) && squeeze(readFileSync(file, 'utf8')).includes(squeeze(code!));
      const above = withoutCode(text.slice(0, index));
      const name = basename(path!);
      const names = [path!, `\`${name.replace(/\.\w+$/, '')}\``, `\`${name}\``, `/${name})`];
      const isNamed = names.some((each) => above.includes(each));
      return isThere && isNamed
        ? []
        : [`${path}${isNamed ? '' : ', not named above'}: ${squeeze(code!).slice(0, 80)}`];
    },
  );
}

describe.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');

  it('links to files and headings that exist', () => {
    const links = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
    const broken = links.filter((link) => {
      if (/^https?:/.test(link)) return false;
      const [path, anchor] = link.split('#') as [string, string?];
      const target = path === '' ? join(root, page) : resolve(dirname(join(root, page)), path);
      if (!existsSync(target)) return true;
      return (
        anchor !== undefined &&
        target.endsWith('.md') &&
        !anchors(readFileSync(target, 'utf8')).includes(anchor)
      );
    });
    expect(broken).toEqual([]);
  });

  it('names only paths that exist', () => {
    // What stands in backquotes and begins like a folder of the project.
    const named = [...withoutCode(text).matchAll(/`((?:src|shaders|bench|test|docs)\/[\w./-]+)`/g)].map(
      (m) => m[1]!,
    );
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('quotes files as they are, each from the one that the text before it names', () => {
    expect(misquoted(text)).toEqual([]);
    // Every quote has its file in its fence; only the README has an example, which package.test.ts runs.
    const unbound = [...text.matchAll(/^```(?:wgsl|ts)$/gm)];
    expect(unbound).toHaveLength(page === 'README.md' ? 1 : 0);
  });
});

const shaders = readdirSync(join(root, 'shaders')).filter((name) => name.endsWith('.wgsl'));

it.each(shaders)('%s names a page, and the page tells of it', (name) => {
  const page = /maths: (docs\/[\w-]+\.md)/.exec(readFileSync(join(root, 'shaders', name), 'utf8'))?.[1];
  expect(page, 'the page in its header').toBeDefined();
  expect(readFileSync(join(root, page!), 'utf8')).toContain(name.replace('.wgsl', ''));
});
