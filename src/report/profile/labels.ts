// Names beside points, without one covering another.

/** A point with a name, in pixels. */
export interface Labelled {
  readonly x: number;
  readonly y: number;
  /** Radius of its mark. */
  readonly r: number;
  readonly text: string;
}

/** A rectangle, in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Where a name goes. */
export interface PlacedLabel {
  readonly text: string;
  readonly box: Box;
  /** From the mark to the name, where the name is not right beside it. */
  readonly leader:
    | { readonly x1: number; readonly y1: number; readonly x2: number; readonly y2: number }
    | undefined;
}

/** Pixels of a letter on average, and of a line. */
const LETTER = { width: 6.5, height: 13 };

/** Pixels between a mark and its name, nearest first. */
const DISTANCES = [4, 12, 22, 34, 48, 64, 82, 104, 128, 156, 190, 230];

/** Directions from a mark, best first: beside, above and below, then between. */
const DIRECTIONS = [0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202, 67, 113, 247, 293];

/** Distance from which on a line shows which mark a name belongs to. */
const LEADER_FROM = 12;

/** Pixels between a name and a mark at least. */
const AIR = 3.5;

const overlap = (a: Box, b: Box): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** A mark with a little air around it, so that no name looks like its own that is not. */
const markBox = ({ x, y, r }: Labelled): Box => {
  const half = r + AIR;
  return { left: x - half, top: y - half, right: x + half, bottom: y + half };
};

/** The name's box at a distance from its mark, in a direction. */
function boxAt({ x, y, r, text }: Labelled, distance: number, degrees: number): Box {
  const width = LETTER.width * text.length;
  const [dx, dy] = [Math.cos((degrees * Math.PI) / 180), -Math.sin((degrees * Math.PI) / 180)];
  const [px, py] = [x + (r + distance) * dx, y + (r + distance) * dy];
  // The side that faces the mark touches the point in that direction.
  const left = dx > 0.3 ? px : dx < -0.3 ? px - width : px - width / 2;
  const top = py - LETTER.height / 2 + (dy * LETTER.height) / 2;
  return { left, top, right: left + width, bottom: top + LETTER.height };
}

function leaderOf({ x, y, r }: Labelled, box: Box): PlacedLabel['leader'] {
  const nearest = {
    x: Math.min(Math.max(x, box.left), box.right),
    y: Math.min(Math.max(y, box.top), box.bottom),
  };
  const length = Math.hypot(nearest.x - x, nearest.y - y);
  const share = Math.min(1, r / length);
  return { x1: x + share * (nearest.x - x), y1: y + share * (nearest.y - y), x2: nearest.x, y2: nearest.y };
}

/** A leader as a row of small boxes. */
function boxesAlong(leader: PlacedLabel['leader']): Box[] {
  if (!leader) return [];
  const { x1, y1, x2, y2 } = leader;
  const count = Math.ceil(Math.hypot(x2 - x1, y2 - y1) / 3);
  return Array.from({ length: count }, (_, i) => {
    const [x, y] = [x1 + ((i + 0.5) / count) * (x2 - x1), y1 + ((i + 0.5) / count) * (y2 - y1)];
    return { left: x - 0.5, right: x + 0.5, top: y - 0.5, bottom: y + 0.5 };
  });
}

/** Every place that a name may have, nearest to its mark first. */
const candidates = (point: Labelled): { box: Box; leader: PlacedLabel['leader'] }[] =>
  DISTANCES.flatMap((distance) =>
    DIRECTIONS.map((direction) => {
      const box = boxAt(point, distance, direction);
      return { box, leader: distance >= LEADER_FROM ? leaderOf(point, box) : undefined };
    }),
  );

const isInside = (box: Box, outer: Box): boolean =>
  box.left >= outer.left && box.right <= outer.right && box.top >= outer.top && box.bottom <= outer.bottom;

/**
 * Finds a place for each name, in the order given: the nearest to its mark where it covers no mark, no name that has
 * its place already, and nothing of `taken`, and stays inside; and, where that can be had, from where no leader crosses
 * a name or a mark. A name without such a place is left out.
 */
export function placeLabels(
  points: readonly Labelled[],
  inside: Box,
  taken: readonly Box[] = [],
): (PlacedLabel | undefined)[] {
  const marks = points.map(markBox);
  const blocked = [...taken, ...marks];
  const names: Box[] = [];
  const leaders: Box[] = [];
  return points.map((point, i) => {
    const others = marks.filter((_, j) => j !== i);
    const free = candidates(point).filter(
      ({ box }) => isInside(box, inside) && !blocked.some((other) => overlap(box, other)),
    );
    const clear = free.find(
      ({ box, leader }) =>
        !leaders.some((part) => overlap(box, part)) &&
        !boxesAlong(leader).some((part) => [...names, ...others].some((box) => overlap(part, box))),
    );
    const found = clear ?? free[0];
    if (!found) return undefined;
    names.push(found.box);
    blocked.push(found.box);
    leaders.push(...boxesAlong(found.leader));
    return { text: point.text, ...found };
  });
}
