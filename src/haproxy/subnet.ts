/** How an IPv4 subnet is shared between the containers that get an address from us and whoever joins by himself. */
export type Subnet = {
  /** `10.0.0.0/24` */
  text: string;
  /** The host's own. */
  gateway: string;
  /** The last few, for those who join by themselves: Docker gives them no other. */
  strangers: string;
  /** Ours to give, both included, as numbers. */
  first: number;
  last: number;
};

const CIDR = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/;
/** Eight of them; the last is the broadcast address. */
const STRANGERS_PREFIX = 29;
/** Of smaller subnets at most a quarter is for strangers. */
const QUARTER = 2;
/** Below it nothing would be left to give. */
const LONGEST_PREFIX = 29;
const BITS = 32;
const BYTE = 256;

/** Undefined for what is no IPv4 subnet, and for one that is too small. */
export function parseSubnet(text: string): Subnet | undefined {
  const parts = CIDR.exec(text)?.slice(1).map(Number);
  if (parts === undefined) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, prefix = 0] = parts;
  if (Math.max(a, b, c, d) >= BYTE || prefix > LONGEST_PREFIX || prefix === 0) return undefined;
  const size = 2 ** (BITS - prefix);
  const base = Math.floor((((a * BYTE + b) * BYTE + c) * BYTE + d) / size) * size;
  const strangersPrefix = Math.max(STRANGERS_PREFIX, prefix + QUARTER);
  const strangers = base + size - 2 ** (BITS - strangersPrefix);
  return {
    text: `${addressText(base)}/${prefix}`,
    gateway: addressText(base + 1),
    strangers: `${addressText(strangers)}/${strangersPrefix}`,
    first: base + 2,
    last: strangers - 1,
  };
}

/**
 * The first address from the `next`th on that nobody has: who goes on with the `next` of the answer gives one that was freed
 * again only when it must. Undefined when all are taken.
 */
export function freeAddress(
  { first, last }: Subnet,
  taken: ReadonlySet<string>,
  next: number,
): { address: string; next: number } | undefined {
  const size = last - first + 1;
  for (let step = 0; step < size; step += 1) {
    const index = (next + step) % size;
    const address = addressText(first + index);
    if (!taken.has(address)) return { address, next: index + 1 };
  }
  return undefined;
}

/** Whether an address is one of those we give. */
export function isOurs({ first, last }: Subnet, address: string): boolean {
  const number = addressNumber(address);
  return number >= first && number <= last;
}

function addressText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % BYTE).join(".");
}

function addressNumber(text: string): number {
  return text.split(".").reduce((number, part) => number * BYTE + Number(part), 0);
}
