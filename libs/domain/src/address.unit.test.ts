import fc from 'fast-check';
import { addressVerdict, checkUrlLiteral, CidrError, parseCidrs } from './address.ts';
import { UrlError } from './url.ts';

const reason = (ip: string, allow = ''): string => {
  const verdict = addressVerdict(ip, parseCidrs(allow));
  return verdict.ok ? 'ok' : verdict.reason;
};

describe('addressVerdict', () => {
  test.each([
    '8.8.8.8',
    '1.1.1.1',
    '93.184.216.34',
    '172.15.255.255',
    '172.32.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '223.255.255.255',
    '192.0.1.0',
    '2606:4700:4700::1111',
    '2001:4860:4860::8888',
    '2001:200::1',
    '2a00::1',
    '3ffe::1',
  ])('%s is public', (ip) => {
    expect(reason(ip)).toBe('ok');
  });

  test.each([
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['169.254.169.254', 'link-local'],
    ['100.64.0.1', 'carrier-grade NAT'],
    ['100.127.255.255', 'carrier-grade NAT'],
    ['192.0.0.1', 'reserved'],
    ['192.0.2.1', 'documentation'],
    ['198.51.100.1', 'documentation'],
    ['203.0.113.1', 'documentation'],
    ['192.88.99.1', 'reserved'],
    ['198.18.0.1', 'benchmarking'],
    ['198.19.255.255', 'benchmarking'],
    ['224.0.0.1', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['168.63.129.16', 'cloud metadata'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::7f00:1', 'IPv4-compatible'],
    ['::ffff:127.0.0.1', 'IPv4-mapped'],
    ['::ffff:8.8.8.8', 'IPv4-mapped'],
    ['64:ff9b::7f00:1', 'NAT64'],
    ['64:ff9b::808:808', 'NAT64'],
    ['64:ff9b:1::a00:1', 'NAT64'],
    ['2001:0:1::1', 'Teredo'],
    ['2002:7f00:1::', '6to4'],
    ['::5efe:10.0.0.1', 'ISATAP'],
    ['2606:4700::5efe:10.0.0.1', 'ISATAP'],
    ['2606:4700::200:5efe:a00:1', 'ISATAP'],
    ['fe80::5efe:10.0.0.1', 'ISATAP'],
    ['fc00::1', 'private'],
    ['fd00:ec2::254', 'private'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['fec0::1', 'site-local'],
    ['ff02::1', 'multicast'],
    ['2001:db8::1', 'documentation'],
    ['3fff::1', 'documentation'],
    ['2001:2::1', 'benchmarking'],
    ['2001:10::1', 'ORCHID'],
    ['2001:20::1', 'ORCHID'],
    ['2001:1ff::1', 'reserved'],
    ['100::1', 'not global unicast'],
    ['5f00::1', 'not global unicast'],
    ['4000::1', 'not global unicast'],
    ['', 'not an address'],
    ['example.com', 'not an address'],
    ['127.1', 'not an address'],
    ['0x7f.0.0.1', 'not an address'],
    ['010.0.0.1', 'not an address'],
  ])('%s is refused: %s', (ip, expected) => {
    expect(reason(ip)).toBe(expected);
  });

  test('the allow-list opens the address, and the one a mapped address stands for', () => {
    expect(reason('127.0.0.1', '127.0.0.0/8')).toBe('ok');
    expect(reason('127.0.0.1', '10.0.0.0/8')).toBe('loopback');
    expect(reason('::ffff:127.0.0.1', '127.0.0.0/8')).toBe('ok');
    expect(reason('64:ff9b::7f00:1', '127.0.0.0/8')).toBe('NAT64');
    expect(reason('::1', '127.0.0.0/8')).toBe('loopback');
    expect(reason('::1', '::1')).toBe('ok');
    expect(reason('fd12::1', 'fd00::/8')).toBe('ok');
    expect(reason('10.1.2.3', '0.0.0.0/0')).toBe('ok');
  });

  test('no IPv6 address that embeds a private IPv4 address in a known way passes', () => {
    const privateV4 = fc.constantFrom('7f00:1', 'a00:1', 'c0a8:101', 'a9fe:a9fe', 'ac10:1', '6440:1', '0:0');
    const forms = fc.constantFrom(
      '::',
      '::ffff:',
      '::ffff:0:',
      '64:ff9b::',
      '64:ff9b:1::',
      '::5efe:',
      '2600::5efe:',
    );
    fc.assert(
      fc.property(privateV4, forms, (v4, form) => {
        expect(addressVerdict(form + v4, []).ok).toBe(false);
        expect(addressVerdict(`2002:${v4}::1`, []).ok).toBe(false);
      }),
    );
  });

  test('agrees with the arithmetic of the blocks', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (ip, prefix) => {
        const n = ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
        const size = 2 ** (32 - prefix);
        const base = Math.floor(n / size) * size;
        const text = (m: number) => [24, 16, 8, 0].map((shift) => Math.floor(m / 2 ** shift) % 256).join('.');
        const allow = parseCidrs(`${text(base)}/${prefix}`);
        expect(addressVerdict(ip, allow).ok).toBe(true);
        const outside = text((base + size) % 2 ** 32);
        if (prefix > 0) expect(addressVerdict(outside, allow)).toEqual(addressVerdict(outside, []));
      }),
    );
  });
});

describe('parseCidrs', () => {
  test('reads blocks and single addresses', () => {
    expect(parseCidrs(' 127.0.0.0/8, ::1\n10.1.2.3,').map((block) => block.text)).toEqual([
      '127.0.0.0/8',
      '::1/128',
      '10.1.2.3/32',
    ]);
    expect(parseCidrs('')).toEqual([]);
  });

  test('names every fault', () => {
    const read = () => parseCidrs('10.0.0.1/8,lan,1.2.3.4/33,::/129,1.2.3.0/24/1,1.2.3.4/,fe80::1%lo');
    expect(read).toThrow(CidrError);
    expect(read).toThrow('"10.0.0.1/8": has bits set behind /8; write 10.0.0.0/8 or 10.0.0.1/32');
    expect(read).toThrow('"lan": is no address');
    expect(read).toThrow('"1.2.3.4/33": the prefix length must be a number from 0 to 32');
    expect(read).toThrow('"::/129": the prefix length must be a number from 0 to 128');
    expect(read).toThrow('"1.2.3.0/24/1"');
    expect(read).toThrow('"1.2.3.4/"');
    expect(read).toThrow('"fe80::1%lo"');
  });
});

describe('checkUrlLiteral', () => {
  const codeOf = (url: string, allow = ''): string => {
    try {
      checkUrlLiteral(url, parseCidrs(allow));
      return 'ok';
    } catch (error) {
      return error instanceof UrlError ? error.code : String(error);
    }
  };

  test.each([
    'http://127.0.0.1',
    'http://127.0.0.1.',
    'http://2130706433',
    'http://0x7f.1',
    'http://0177.0.0.1',
    'http://127.1',
    'http://①②⑦.⓪.⓪.①',
    'http://１２７.0.0.1',
    'http://%31%32%37.0.0.1',
    'http://[::1]',
    'http://[::]',
    'http://[::ffff:7f00:1]',
    'http://[64:ff9b::7f00:1]',
    'http://169.254.169.254/latest/meta-data',
    'http://0/',
    'http://localhost:8080/',
    'http://LOCALHOST./',
    'http://a.b.localhost/',
    'http://ip6-localhost/',
    'http://localhost.localdomain/',
  ])('%s is refused', (url) => {
    expect(codeOf(url)).toBe('blocked_address');
  });

  test('names and public addresses pass, and what is allowed', () => {
    expect(codeOf('http://example.com')).toBe('ok');
    expect(codeOf('http://notlocalhost/')).toBe('ok');
    expect(codeOf('http://8.8.8.8')).toBe('ok');
    expect(codeOf('http://[2606:4700::1111]')).toBe('ok');
    expect(codeOf('http://127.0.0.1:8080', '127.0.0.0/8')).toBe('ok');
    expect(codeOf('http://localhost', '127.0.0.0/8')).toBe('ok');
    expect(codeOf('http://localhost', '10.0.0.0/8')).toBe('blocked_address');
    expect(codeOf('nonsense')).toBe('invalid_url');
  });
});
